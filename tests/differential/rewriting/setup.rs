//! One random configuration of canonical, masquerade and generic, as `main.cf` and as `mailweir.toml`.

use std::{fmt::Write as _, net::SocketAddr, ops::Range, path::Path};

use super::table::Table;
use crate::random::Random;

const CLASSES: [&str; 4] = ["envelope_sender", "envelope_recipient", "header_sender", "header_recipient"];

/// Tables of addresses: Postfix's parameter, our key, the classes that are usual.
const MAPS: [(&str, &str, &[&str]); 3] = [
    ("sender_canonical", "sender", &["envelope_sender", "header_sender"]),
    ("recipient_canonical", "recipient", &["envelope_recipient", "header_recipient"]),
    ("canonical", "both", &CLASSES),
];

const MASQUERADED: [&str; 7] =
    ["one.example", "!host.one.example", "sub.one.example", "dom.example", "TWO.example", "!!one.example", "b.example"];
const EXCEPTIONS: [&str; 7] = ["joe", "ROOT", "!ann", "joe+x", "bob", "\"a b\"", "!joe"];

/// What is the same in all configurations.
const POSTFIX: &str = "myhostname = relay.example.com\nmydomain = dom.example\nmyorigin = origin.example\n\
    mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\nsmtpd_reject_unlisted_recipient = no\n\
    disable_dns_lookups = yes\nin_flow_delay = 0\nsmtpd_peername_lookup = no\nmessage_drop_headers =\n\
    smtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 100000\nsmtpd_hard_error_limit = 100000\n\
    smtpd_client_event_limit_exceptions = static:all\nowner_request_special = yes\n";

/// Everything that is set.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    tables: Vec<Table>,
    /// Numbers of tables, and classes, for each of [`MAPS`].
    maps: [(Vec<usize>, Vec<&'static str>); 3],
    generic: Vec<usize>,
    masquerade: Vec<&'static str>,
    exceptions: Vec<&'static str>,
    masquerade_classes: Vec<&'static str>,
    delimiter: &'static str,
    local: Vec<&'static str>,
    append_domain: bool,
    bangpath: bool,
    percent: bool,
    propagate_canonical: bool,
    propagate_generic: bool,
    /// Whose header fields are rewritten: of all, one address, nobody.
    rewritten: &'static str,
}

fn some(random: &mut Random, most: usize, of: &[&'static str]) -> Vec<&'static str> {
    (0..random.below(most + 1)).map(|_| of[random.below(of.len())]).collect()
}

fn classes(random: &mut Random, usual: &[&'static str]) -> Vec<&'static str> {
    // Postfix refuses to have none.
    let (all, one) = (random.percent(70), random.below(usual.len()));
    let wanted = |(number, _): &(usize, &str)| all || *number == one || random.percent(50);
    usual.iter().copied().enumerate().filter(wanted).map(|(_, class)| class).collect()
}

/// Rows that lead back to themselves by their fixed keys: `check` refuses them, unless no table lies in memory, where it would look.
fn without_circles(tables: &mut [Table], used: &[usize]) {
    if !used.iter().any(|&number| tables[number].is_in_memory()) {
        return;
    }
    for &number in used {
        let Some(keys) = tables[number].rows().map(|rows| rows.keys().cloned().collect::<Vec<_>>()) else { continue };
        for key in keys {
            let mut at = tables[number].value(&key);
            for _ in 0..12 {
                let Some(value) = at else { break };
                if value.eq_ignore_ascii_case(&key) {
                    tables[number].rows().map(|rows| rows.remove(&key));
                    break;
                }
                at = used.iter().find_map(|&used| tables[used].value(value));
            }
        }
    }
}

impl Setup {
    pub(crate) fn random(random: &mut Random) -> Self {
        // The last ones are those of generic.
        let mut tables: Vec<_> = (0..6).map(|number| Table::random(random, number < 4)).collect();
        let pick = |random: &mut Random, of: Range<usize>| -> Vec<usize> {
            (0..random.below(3)).map(|_| of.start + random.below(of.len())).collect()
        };
        let maps = MAPS.map(|(_, _, usual)| (pick(random, 0..4), classes(random, usual)));
        let generic = pick(random, 4..6);
        let mut used: Vec<_> = maps.iter().flat_map(|(tables, _)| tables.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        for _ in 0..4 {
            without_circles(&mut tables, &used);
        }
        let masquerade_classes = match random.percent(70) {
            true => vec!["envelope_sender", "header_sender", "header_recipient"],
            false => classes(random, &CLASSES),
        };
        Self {
            tables,
            maps,
            generic,
            masquerade: some(random, 4, &MASQUERADED),
            exceptions: some(random, 3, &EXCEPTIONS),
            masquerade_classes,
            delimiter: random.pick(&["", "+", "+", "+-"]),
            local: if random.percent(50) { vec!["local.example"] } else { vec![] },
            append_domain: random.percent(60),
            bangpath: random.percent(80),
            percent: random.percent(80),
            propagate_canonical: random.percent(70),
            propagate_generic: random.percent(30),
            rewritten: random.pick(&["all", "all", "127.0.0.1", "nobody"]),
        }
    }

    /// Put the tables where both look for them.
    pub(crate) fn write(&self, folder: &Path) {
        for (number, table) in self.tables.iter().enumerate() {
            table.write(&folder.join(format!("t{number}")));
        }
    }

    /// For people.
    pub(crate) fn files(&self) -> String {
        self.tables.iter().enumerate().map(|(number, table)| format!("t{number}:\n{}", table.content())).collect()
    }

    /// Whether the null sender can find a row: one that has no key, or has all.
    pub(crate) fn may_map_the_null_sender(&self) -> bool {
        let null =
            |number: &usize| matches!(self.tables[*number], Table::Static(_)) || self.tables[*number].is_pattern();
        self.maps.iter().any(|(tables, _)| tables.iter().any(null))
    }

    /// Whether header fields come to generic as the client wrote them, source routes and all.
    pub(crate) fn generic_meets_routes(&self) -> bool {
        !self.generic.is_empty() && self.rewritten != "all"
    }

    /// Whether a row of canonical says `<>`.
    pub(crate) fn has_null_values(&self) -> bool {
        let used = |number: &usize| self.tables[*number].content().contains("\t<>\n");
        self.maps.iter().any(|(tables, _)| tables.iter().any(used))
    }

    /// The rules of `tests/rules.txt` that it is about.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &'static str> {
        let [(sender, _), (recipient, _), (both, both_classes)] = &self.maps;
        let used = || self.maps.iter().flat_map(|(tables, _)| tables).chain(&self.generic);
        let any = |list: &[&str], start| list.iter().any(|item: &&str| item.starts_with(start));
        let rules = [
            ("O1: a map for both behind one for some", !both.is_empty() && sender.len() + recipient.len() > 0),
            ("0.2: classes", both_classes.len() < 4 || any(&self.masquerade_classes, "envelope_recipient")),
            ("0.3, trap 3: fields of some clients stay", self.rewritten != "all"),
            ("L1, trap 6: two tables", self.maps.iter().any(|(tables, _)| tables.len() > 1) || self.generic.len() > 1),
            ("L2, trap 7: patterns", used().any(|number| self.tables[*number].is_pattern())),
            ("L3, trap 20: a table that fails", used().any(|number| matches!(self.tables[*number], Table::Fail))),
            ("2.4: canonical, again and again", self.maps.iter().any(|(tables, _)| !tables.is_empty())),
            ("O3, trap 11: generic", !self.generic.is_empty()),
            ("M3, trap 9: canonical drops extensions", !self.propagate_canonical),
            ("M3, trap 9: generic keeps extensions", self.propagate_generic && !self.generic.is_empty()),
            ("section 3: masquerade", !self.masquerade.is_empty()),
            ("section 3, trap 5: masquerade with !", any(&self.masquerade, "!")),
            ("section 3, trap 32: exceptions", !self.masquerade.is_empty() && !self.exceptions.is_empty()),
        ];
        rules.into_iter().filter_map(|(rule, is_hit)| is_hit.then_some(rule))
    }

    pub(crate) fn main_cf(&self, folder: &Path, sink: SocketAddr) -> String {
        let names = |numbers: &[usize]| {
            let name = |number: &usize| self.tables[*number].for_postfix(&folder.join(format!("t{number}")));
            numbers.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let yes = |yes| if yes { "yes" } else { "no" };
        let mut text = POSTFIX.to_owned();
        for transport in ["local_transport", "relay_transport", "default_transport"] {
            writeln!(text, "{transport} = smtp:[{}]:{}", sink.ip(), sink.port()).expect("written");
        }
        for ((name, _, _), (tables, classes)) in MAPS.iter().zip(&self.maps) {
            writeln!(text, "{name}_maps = {}\n{name}_classes = {}", names(tables), classes.join(", "))
                .expect("written");
        }
        let propagate = [("canonical", self.propagate_canonical), ("generic", self.propagate_generic)];
        let propagate: Vec<_> = propagate.into_iter().filter_map(|(name, wanted)| wanted.then_some(name)).collect();
        let rewritten = match self.rewritten {
            "all" => "static:all",
            "127.0.0.1" => "check_address_map inline:{127.0.0.1=x}",
            _ => "",
        };
        writeln!(
            text,
            "smtp_generic_maps = {}\nmasquerade_domains = {}\nmasquerade_exceptions = {}\nmasquerade_classes = {}\n\
             recipient_delimiter = {}\nmydestination = {}\nappend_dot_mydomain = {}\nswap_bangpath = {}\n\
             allow_percent_hack = {}\npropagate_unmatched_extensions = {}\nlocal_header_rewrite_clients = {rewritten}",
            names(&self.generic),
            self.masquerade.join(", "),
            self.exceptions.join(", "),
            self.masquerade_classes.join(", "),
            self.delimiter,
            self.local.join(", "),
            yes(self.append_domain),
            yes(self.bangpath),
            yes(self.percent),
            propagate.join(", "),
        )
        .expect("written");
        text
    }

    pub(crate) fn toml(&self, folder: &Path) -> String {
        let mut text = "[networks]\ntrusted = [\"127.0.0.0/8\"]\n[tables]\n".to_owned();
        for (number, table) in self.tables.iter().enumerate() {
            writeln!(text, "t{number} = {{ {} }}", table.for_us(&folder.join(format!("t{number}")))).expect("written");
        }
        let names = |numbers: &[usize]| numbers.iter().map(|number| format!("t{number}")).collect::<Vec<_>>();
        let classes = |classes: &[&str]| classes.iter().map(|class| class.replace('_', "-")).collect::<Vec<_>>();
        let rewritten = match self.rewritten {
            "nobody" => "[]".to_owned(),
            other => format!("[{other:?}]"),
        };
        // Postfix takes its own address for local, too.
        let local = [self.local.as_slice(), &["[127.0.0.1]"]].concat();
        let lookup = format!(
            "recipient-delimiter = {:?}\norigin = \"origin.example\"\nlocal-domains = {local:?}\n",
            self.delimiter
        );
        let completion = format!(
            "swap-bangpath = {}\npercent-hack = {}\n{}",
            self.bangpath,
            self.percent,
            if self.append_domain { "domain = \"dom.example\"\n" } else { "" },
        );
        write!(
            text,
            "[[message]]\nplugin = \"canonical\"\n[message.config]\ncomplete = true\nrewrite-clients = {rewritten}\n\
             propagate-extensions = {}\n{lookup}{completion}",
            self.propagate_canonical,
        )
        .expect("written");
        for ((_, key, _), (tables, places)) in MAPS.iter().zip(&self.maps) {
            writeln!(text, "{key} = {:?}\n{key}-classes = {:?}", names(tables), classes(places)).expect("written");
        }
        if !self.masquerade.is_empty() {
            writeln!(
                text,
                "[[message]]\nplugin = \"masquerade\"\n[message.config]\ndomains = {:?}\nexceptions = {:?}\nclasses = {:?}\n\
                 rewrite-clients = {rewritten}",
                self.masquerade,
                self.exceptions,
                classes(&self.masquerade_classes),
            )
            .expect("written");
        }
        if !self.generic.is_empty() {
            writeln!(
                text,
                "[[delivery]]\nplugin = \"generic\"\n[delivery.config]\ntables = {:?}\npropagate-extensions = {}\n{lookup}{completion}",
                names(&self.generic),
                self.propagate_generic,
            )
            .expect("written");
        }
        text
    }
}
