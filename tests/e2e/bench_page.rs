//! The page of `mailweir bench --html`, as a real browser shows it: headless Chromium.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::bench_command::{bench, folder};

fn chromium(folder: &Path, page: &str, args: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args(["120", "chromium", "--headless", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]);
    // Its sandbox needs rights that containers don't give; the page is ours.
    command.args(["--no-sandbox", &format!("--user-data-dir={}", folder.join("profile").display())]);
    command.arg("--window-size=1200,1600").args(args);
    let page = format!("file://{}", folder.join(page).display());
    let output = command.arg(page).current_dir(folder).output().expect("timeout runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Octets of the picture of a page. One without anything on it is compressed to almost nothing.
fn picture(folder: &Path, page: &str) -> u64 {
    chromium(folder, page, &["--screenshot=page.png"]);
    let file = folder.join("page.png");
    assert!(fs::read(&file).expect("a picture").starts_with(b"\x89PNG"));
    fs::metadata(&file).expect("a picture").len()
}

#[test]
fn a_browser_shows_table_and_pictures() {
    let folder = folder();
    let output = bench(folder.path(), &["--html", "bench.html"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let dom = String::from_utf8(chromium(folder.path(), "bench.html", &["--dump-dom"]).stdout).expect("UTF-8");
    // A browser closes what a page leaves open: each cell is one, each row of the table has all of them.
    let (_, table) = dom.split_once("<table>").expect("a table");
    let (table, pictures) = table.split_once("</table>").expect("its end");
    let rows: Vec<_> = table.split("<tr>").skip(1).collect();
    assert_eq!(rows.len(), 6, "a head, four stages, the chain: {table}");
    let cells = |row: &str| row.matches("</td>").count() + row.matches("</th>").count();
    assert!(rows.iter().all(|row| cells(row) == 13), "{table}");
    for stage in ["greet-check", "canonical", "masquerade", "broken"] {
        assert!(rows.iter().any(|row| row.contains(&format!("<td>{stage}"))), "{stage}: {table}");
    }
    assert_eq!(pictures.matches("<svg").count(), 5);
    assert!(pictures.contains("<rect") || pictures.contains("<path"), "{pictures}");

    fs::write(folder.path().join("empty.html"), "<!doctype html>").expect("written");
    let (empty, drawn) = (picture(folder.path(), "empty.html"), picture(folder.path(), "bench.html"));
    assert!(drawn > 5 * empty, "{drawn} octets, an empty page has {empty}");
}
