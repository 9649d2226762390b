//! One random configuration of restriction lists and tables, as `main.cf` and as `mailweir.toml`.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use crate::random::Random;

/// Mail is thrown away, and mistakes cost nobody time.
const POSTFIX: &str = "myhostname = relay.example.com\nmynetworks = 127.0.0.1/32\nlocal_transport = discard:\n\
    relay_transport = discard:\ndefault_transport = discard:\ndisable_dns_lookups = yes\nin_flow_delay = 0\n\
    smtpd_peername_lookup = no\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 100000\n\
    smtpd_hard_error_limit = 100000\nsmtpd_client_event_limit_exceptions = static:all\n";

/// Keys of tables of fixed texts: what sessions can meet, and what they can't.
const KEYS: [&str; 34] = [
    "127.0.0.2",
    "127.0.0.3",
    "127.0.0",
    "127.0.1",
    "127.0",
    "127",
    "unknown",
    "127.1.2.3",
    "client.example",
    "example",
    "host.example",
    "localhost",
    "a..b",
    "[127.0.0.1]",
    "joe@sender.example",
    "joe+ext@sender.example",
    "sender.example",
    ".sender.example",
    "joe@",
    "joe+ext@",
    "\"a b\"@sender.example",
    "<>",
    "pp@d.example",
    "d.example",
    "dom.example",
    "ann@ours.example",
    "bob@ours.example",
    "bob+x@ours.example",
    "ours.example",
    "sub.ours.example",
    "elsewhere.example",
    "bob@",
    "ann@",
    "y@elsewhere.example",
];

/// Values of rows.
const VALUES: [&str; 44] = [
    "OK",
    "ok",
    "RELAY",
    "OK with text",
    "DUNNO",
    "dunno",
    "DUNNO",
    "REJECT",
    "REJECT Go away",
    "reject 5.1.1 gone",
    "REJECT 5.1.8 who",
    "REJECT 4.2.2 full",
    "REJECT 5.1.7 x",
    "REJECT 5.1.99 x",
    "DEFER",
    "DEFER 4.1.2 later",
    "550 no",
    "550 5.1.3 no",
    "450 wait",
    "554 5.7.1 x: y",
    "DEFER_IF_PERMIT",
    "DEFER_IF_PERMIT soon",
    "DEFER_IF_PERMIT 4.1.8 soon",
    "DEFER_IF_REJECT",
    "DEFER_IF_REJECT soon",
    "HOLD",
    "WARN careful",
    "INFO x",
    "PREPEND X-A: b",
    "BCC log@ours.example",
    "REDIRECT log@ours.example",
    "DISCARD",
    "12345",
    "550",
    "399 x",
    "600 x",
    "55 x",
    "rejct",
    "hash:x",
    "strict",
    "lenient, reject",
    "warn_if_reject reject",
    "permit_mynetworks, defer",
    "reject_non_fqdn_sender",
];

/// Restrictions that need no table and ask no DNS.
const PLAIN: [&str; 14] = [
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "permit_auth_destination",
    "reject_unauth_destination",
    "defer_unauth_destination",
    "reject_invalid_helo_hostname",
    "reject_non_fqdn_helo_hostname",
    "reject_non_fqdn_sender",
    "reject_non_fqdn_recipient",
    "reject_multi_recipient_bounce",
    "defer_if_permit",
    "defer_if_reject",
    "strict",
    "lenient",
];

const CHECKS: [&str; 4] = ["check_client_access", "check_helo_access", "check_sender_access", "check_recipient_access"];

/// Recipients that there are.
const PEOPLE: &str = "ann@ours.example x\nbob@ours.example x\n@sub.ours.example x\n";

/// The lists, by their names in Postfix and here.
const LISTS: [(&str, &str); 7] = [
    ("smtpd_client_restrictions", "client"),
    ("smtpd_helo_restrictions", "helo"),
    ("smtpd_sender_restrictions", "sender"),
    ("smtpd_relay_restrictions", "relay"),
    ("smtpd_recipient_restrictions", "recipient"),
    ("smtpd_data_restrictions", "data"),
    ("smtpd_end_of_data_restrictions", "end-of-data"),
];

/// A name, and the number of a table where it needs one.
type Restriction = (&'static str, Option<usize>);

/// A lookup table in both languages.
#[derive(Clone, Debug)]
enum Table {
    Text(BTreeMap<&'static str, &'static str>),
    Regexp(Vec<String>),
    Cidr(Vec<String>),
    Static(&'static str),
    /// Can't be asked.
    Fail,
}

/// Everything that is set.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    delay_reject: bool,
    soft_bounce: bool,
    delimiter: &'static str,
    listed: bool,
    tables: Vec<Table>,
    lists: Vec<Vec<Restriction>>,
    classes: [(&'static str, Vec<Restriction>); 2],
}

fn table(random: &mut Random) -> Table {
    let value = |random: &mut Random| VALUES[random.below(VALUES.len())];
    match random.below(12) {
        0 => Table::Static(value(random)),
        1 => Table::Fail,
        2 => Table::Regexp(
            ["joe", "^127", "ours", "example$"].iter().map(|p| format!("/{p}/ {}", value(random))).collect(),
        ),
        3 => Table::Cidr(
            ["127.0.0.2", "127.0.0.0/24", "127.0.0.0/8"].iter().map(|p| format!("{p} {}", value(random))).collect(),
        ),
        _ => Table::Text((0..8).map(|_| (KEYS[random.below(KEYS.len())], value(random))).collect()),
    }
}

fn list(random: &mut Random, most: usize, tables: usize, names: &[&'static str]) -> Vec<Restriction> {
    let mut list = Vec::new();
    for _ in 0..random.below(most + 1) {
        if random.percent(10) {
            list.push(("warn_if_reject", None));
        }
        list.push(match random.below(3) {
            0 => (names[random.below(names.len())], None),
            _ => (CHECKS[random.below(CHECKS.len())], Some(random.below(tables))),
        });
    }
    list
}

impl Setup {
    /// Lists that both accept: nothing behind an end, relaying only where it can be decided, and not open.
    pub(crate) fn random(random: &mut Random) -> Self {
        let tables: Vec<_> = (0..4).map(|_| table(random)).collect();
        let mut lists: Vec<_> = LISTS.iter().map(|_| list(random, 3, tables.len(), &PLAIN)).collect();
        for (index, (_, name)) in LISTS.iter().enumerate() {
            let list = &mut lists[index];
            // One that permits everybody is refused at start.
            let is_static = |table: Option<usize>| table.is_some_and(|table| matches!(tables[table], Table::Static(_)));
            list.retain(|(_, table)| *name != "relay" || !is_static(*table));
            match *name {
                "relay" if random.percent(40) => {
                    *list = vec![("permit_mynetworks", None), ("reject_unauth_destination", None)]
                }
                "relay" => list.push((
                    random.pick(&["reject_unauth_destination", "defer_unauth_destination", "reject", "defer"]),
                    None,
                )),
                "data" | "end-of-data" => list.retain(|(name, _)| !name.contains("auth_destination")),
                _ if random.percent(10) => list.push((random.pick(&["permit", "reject", "defer"]), None)),
                _ => {}
            }
            // `warn_if_reject` needs something behind it, and what it stands before is no end.
            while let Some(at) =
                list.iter().position(|(name, _)| *name == "warn_if_reject").filter(|_| *name == "relay")
            {
                list.remove(at);
            }
            while list.last().is_some_and(|(name, _)| *name == "warn_if_reject") {
                list.pop();
            }
        }
        let plain: Vec<_> = PLAIN
            .into_iter()
            .filter(|name| !matches!(*name, "strict" | "lenient") && !name.contains("destination"))
            .collect();
        let mut strict = list(random, 2, tables.len(), &plain);
        strict.retain(|(name, _)| *name != "warn_if_reject");
        strict.push(("reject", None));
        let mut lenient = list(random, 2, tables.len(), &["permit_mynetworks", "reject_non_fqdn_sender"]);
        lenient.retain(|(name, _)| *name != "warn_if_reject");
        // Postfix knows no empty class.
        lenient.push(("permit_mynetworks", None));
        Self {
            delay_reject: random.percent(75),
            soft_bounce: random.percent(10),
            delimiter: random.pick(&["", "+"]),
            listed: random.percent(30),
            tables,
            lists,
            classes: [("strict", strict), ("lenient", lenient)],
        }
    }

    /// Whether `warn_if_reject` can stand before a table that can't be asked.
    pub(crate) fn warns_of_failures(&self) -> bool {
        let lists = || self.lists.iter().chain(self.classes.iter().map(|(_, list)| list));
        let fails = |(_, table): &Restriction| table.is_some_and(|table| matches!(self.tables[table], Table::Fail));
        lists().any(|list| list.iter().any(|(name, _)| *name == "warn_if_reject")) && lists().flatten().any(fails)
    }

    /// The file of each table.
    fn tables(&self) -> impl Iterator<Item = String> {
        self.tables.iter().map(|table| match table {
            Table::Text(rows) => rows.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect(),
            Table::Regexp(rows) | Table::Cidr(rows) => rows.iter().map(|row| format!("{row}\n")).collect(),
            Table::Static(_) | Table::Fail => String::new(),
        })
    }

    /// Put the tables where both look for them.
    pub(crate) fn write(&self, folder: &Path) {
        for (number, rows) in self.tables().enumerate() {
            fs::write(folder.join(format!("t{number}")), rows).expect("written");
        }
        fs::write(folder.join("people"), PEOPLE).expect("written");
    }

    /// For people.
    pub(crate) fn files(&self) -> String {
        self.tables().enumerate().map(|(number, rows)| format!("t{number}:\n{rows}")).collect()
    }

    pub(crate) fn main_cf(&self, folder: &Path) -> String {
        let path = folder.display();
        let name = |number: usize| match &self.tables[number] {
            Table::Text(_) => format!("texthash:{path}/t{number}"),
            Table::Regexp(_) => format!("regexp:{path}/t{number}"),
            Table::Cidr(_) => format!("cidr:{path}/t{number}"),
            Table::Static(value) => format!("static:{{{value}}}"),
            Table::Fail => "fail:temp".to_owned(),
        };
        let line = |list: &[Restriction]| {
            let words = list.iter().map(|(word, table)| match table {
                Some(table) => format!("{word} {}", name(*table)),
                None => (*word).to_owned(),
            });
            words.collect::<Vec<_>>().join(", ")
        };
        let yes = |yes| if yes { "yes" } else { "no" };
        let mut text = format!(
            "{POSTFIX}relay_domains = ours.example\nmydestination =\nsmtpd_restriction_classes = strict, lenient\nrecipient_delimiter = {}\n\
             smtpd_delay_reject = {}\nsoft_bounce = {}\nrelay_recipient_maps = {}\nsmtpd_helo_required = yes\n",
            self.delimiter,
            yes(self.delay_reject),
            yes(self.soft_bounce),
            if self.listed { format!("texthash:{path}/people") } else { String::new() },
        );
        for ((name, _), list) in LISTS.iter().zip(&self.lists) {
            writeln!(text, "{name} = {}", line(list)).ok();
        }
        for (name, list) in &self.classes {
            writeln!(text, "{name} = {}", line(list)).ok();
        }
        text
    }

    pub(crate) fn toml(&self, folder: &Path) -> String {
        let path = folder.display();
        let mut text = format!(
            "[networks]\ntrusted = [\"127.0.0.1\"]\n[relay]\ndomains = [\"ours.example\"]\n[tables]\n\
             people = {{ type = \"text\", path = \"{path}/people\" }}\n"
        );
        for (number, table) in self.tables.iter().enumerate() {
            let kind = match table {
                Table::Text(_) => format!("type = \"text\", path = \"{path}/t{number}\""),
                Table::Regexp(_) => format!("type = \"regexp\", path = \"{path}/t{number}\""),
                Table::Cidr(_) => format!("type = \"cidr\", path = \"{path}/t{number}\""),
                Table::Static(value) => format!("type = \"static\", value = \"{value}\""),
                Table::Fail => "type = \"fail\", value = \"as told\"".to_owned(),
            };
            writeln!(text, "t{number} = {{ {kind} }}").ok();
        }
        let line = |list: &[Restriction]| {
            let items = list.iter().map(|(word, table)| match table {
                Some(table) => format!("{{ {word} = \"t{table}\" }}"),
                None => format!("\"{word}\""),
            });
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        };
        write!(text, "[[session]]\nplugin = \"access\"\ntimeout = \"1m\"\n[session.config]\n").ok();
        writeln!(text, "recipient-delimiter = \"{}\"\nsoft-bounce = {}", self.delimiter, self.soft_bounce).ok();
        if self.listed {
            writeln!(text, "listed-recipients = [\"people\"]").ok();
        }
        for ((_, name), list) in LISTS.iter().zip(&self.lists).filter(|(_, list)| !list.is_empty()) {
            writeln!(text, "{name} = {}", line(list)).ok();
        }
        writeln!(text, "[session.config.classes]").ok();
        for (name, list) in &self.classes {
            writeln!(text, "{name} = {}", line(list)).ok();
        }
        text
    }

    /// What stands above all else.
    pub(crate) fn head(&self) -> String {
        format!("delay-reject = {}\n", self.delay_reject)
    }
}
