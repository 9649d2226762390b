//! Names that mean harm: every file stays in the folder, under a name that harms nobody.

use super::*;

fn part(disposition: &[u8], content: &str) -> Vec<u8> {
    let head = [b"--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment", disposition, b"\n\n"];
    [&head.concat(), content.as_bytes(), b"\n"].concat()
}

#[test]
fn no_name_leaves_the_folder() {
    let long = format!("; filename=\"{}.pdf\"", "x".repeat(300));
    let dispositions: [(&[u8], &str); 14] = [
        (b"; filename=\"../../etc/passwd\"", "passwd"),
        (b"; filename=\"C:\\x\"", "x"),
        (b"; filename=\"C:\\\\dir\\\\y\"", "y"),
        (b"; filename=\"/etc/cron.d/job\"", "job"),
        (b"; filename=\"nul\0byte.txt\"", "nul_byte.txt"),
        (b"; filename*0*=utf-8''..%2F..%2F; filename*1*=etc%2Fshadow", "shadow"),
        (b"; filename*=utf-8''%00%0A%0D.sh", "___.sh"),
        (b"; filename=\"=?utf-8?Q?..=2F..=2Froot=2F.bashrc?=\"", "bashrc"),
        (b"; filename=\"..\"", "unnamed"),
        (b"; filename=\".\"", "unnamed-2"),
        (b"; filename=twice.txt", "twice.txt"),
        (b"; filename=twice.txt", "twice-2.txt"),
        (b"; filename*=utf-8''fdp.%E2%80%AEexe", "fdp._exe"),
        (long.as_bytes(), &format!("{}.pdf", "x".repeat(196))),
    ];
    let mut message = b"Content-Type: multipart/mixed; boundary=b\n\n".to_vec();
    for (disposition, expected) in dispositions {
        message.extend(part(disposition, expected));
    }
    message.extend_from_slice(b"--b--\n");
    let (told, code, files) = unpack(&message);
    let expected = dispositions.map(|(_, name)| (name.to_owned(), name.as_bytes().to_vec()));
    assert_eq!((code, files), (Some(0), BTreeMap::from(expected)), "{told:#}");
}

#[test]
fn names_in_texts_are_no_better() {
    let message =
        "X: y\n\nbegin 644 ../../../tmp/evil\n#0V%T\n`\nend\n=ybegin line=128 size=3 name=/../../worse\nm\u{2}\n";
    let (told, _, files) = unpack(message.as_bytes());
    assert_eq!(files.keys().collect::<Vec<_>>(), ["evil", "worse"], "{told:#}");
}
