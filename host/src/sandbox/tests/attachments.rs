//! The stock filter attachments with a message that is much larger than its memory.

use super::*;

/// A base64 attachment of so many octets before encoding.
fn message(octets: usize) -> Message {
    let line = format!("{}\r\n", "QUJD".repeat(19));
    let mut raw = String::from(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: x/y; name=large\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n",
    );
    (0..octets / 57).for_each(|_| raw.push_str(&line));
    raw.push_str("--b--\r\n");
    Message::parse(Bytes::from(raw))
}

#[tokio::test]
async fn a_message_of_100_megabytes_needs_little_memory() {
    let place = Place::new();
    let limits = FilterLimits { memory: 2 << 20, output: 300 << 20, timeout: Duration::from_secs(300), ..limits() };
    let wasm = stock("attachments").expect("a stock filter");
    let config = json!({ "then": "strip" });
    let filter = place.load_with(wasm, &config, Role::Message, limits).await.expect("it loads");
    let message = message(76 << 20);
    assert!(message.size() > 100 << 20);
    let mail = Arc::new(Mail { message, ..Mail::clone(&mail()) });
    let outcome = filter.message(&mail).await.expect("it answers");
    let size = fs::metadata(outcome.files[0].temporary()).expect("a file").len();
    assert_eq!(size, (76 << 20) / 57 * 57);
    assert_eq!(outcome.edits.len(), 1);
    let used = filter.usage().expect("it counts").totals().peak_memory;
    println!("memory for {} octets: {used}", mail.message.size());
}
