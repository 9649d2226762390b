//! One random configuration of restriction lists and tables, as `main.cf` and as `mailweir.toml`.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use super::words::{CHECKS, KEYS, PEOPLE, PLAIN, VALUES};
use crate::{file, random::Random};

/// Mail is thrown away, and mistakes cost nobody time.
const POSTFIX: &str = "myhostname = relay.example.com\nmynetworks = 127.0.0.1/32\nlocal_transport = discard:\n\
    relay_transport = discard:\ndefault_transport = discard:\ndisable_dns_lookups = yes\nin_flow_delay = 0\n\
    smtpd_peername_lookup = no\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 100000\n\
    smtpd_hard_error_limit = 100000\nsmtpd_client_event_limit_exceptions = static:all\n";

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

    /// Those of the lists, and of classes that a list calls.
    fn restrictions(&self) -> impl Iterator<Item = Restriction> {
        let in_lists = || self.lists.iter().flatten().copied();
        let called = self.classes.iter().filter(move |(class, _)| in_lists().any(|(name, _)| name == *class));
        in_lists().chain(called.flat_map(|(_, list)| list).copied())
    }

    fn has(&self, name: &str) -> bool {
        self.restrictions().any(|(known, _)| known == name)
    }

    /// The tables that a list asks.
    fn asked(&self) -> impl Iterator<Item = &Table> {
        self.restrictions().filter_map(|(_, table)| table).map(|table| &self.tables[table])
    }

    /// Whether recipients in our domain have to be in a table.
    pub(crate) fn listed(&self) -> bool {
        self.listed
    }

    /// The values of their rows.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.asked().flat_map(|table| match table {
            Table::Text(rows) => rows.values().copied().collect(),
            Table::Regexp(rows) | Table::Cidr(rows) => {
                rows.iter().filter_map(|row| row.split_once(' ')).map(|(_, value)| value).collect()
            }
            Table::Static(value) => vec![*value],
            Table::Fail => vec![],
        })
    }

    /// Whether `warn_if_reject` can stand before a table that can't be asked.
    pub(crate) fn warns_of_failures(&self) -> bool {
        self.has("warn_if_reject") && self.tables.iter().any(|table| matches!(table, Table::Fail))
    }

    /// The rules of `tests/rules.txt` that it is about, beside those about values.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &'static str> {
        let is_bare = |(name, _): Restriction| {
            matches!(name, "permit" | "reject" | "defer" | "defer_if_permit" | "defer_if_reject")
        };
        let rules = [
            ("6.1: clients", self.has("check_client_access")),
            ("6.1: HELO", self.has("check_helo_access")),
            ("6.1, trap 16: mail addresses", self.has("check_sender_access") || self.has("check_recipient_access")),
            (
                "6.1: patterns and networks",
                self.asked().any(|table| matches!(table, Table::Regexp(_) | Table::Cidr(_))),
            ),
            ("6.2: soft_bounce", self.soft_bounce),
            ("6.3: warn_if_reject", self.has("warn_if_reject")),
            ("6.3: listed recipients", self.listed),
            ("6.3: restriction classes", self.has("strict") || self.has("lenient")),
            ("6.3, S9: each list at its moment", !self.delay_reject),
            ("trap 20: a table that fails", self.asked().any(|table| matches!(table, Table::Fail))),
            ("S10: bare words", self.restrictions().any(is_bare)),
        ];
        rules.into_iter().filter_map(|(rule, is_hit)| is_hit.then_some(rule))
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
            file::write(&folder.join(format!("t{number}")), rows);
        }
        file::write(&folder.join("people"), PEOPLE);
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
