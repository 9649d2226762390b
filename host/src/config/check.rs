//! What only the whole file can show.

use super::{
    Config, Covered, RelayDomain, RouteEntry, RouteWay,
    diagnostic::Diagnostic,
    reader::{Mistakes, Section},
    tables::missing_table,
};

/// Add the mistakes that no single value has.
pub(super) fn whole(config: &Config, root: &Section<'_, '_>, mistakes: &Mistakes) {
    let span = |key: &str| root.span_of(key).unwrap_or(0..0);
    if config.listeners.is_empty() && root.span_of("listen").is_none() {
        let missing = Diagnostic::error(0..0, "there is no listener");
        mistakes.add(missing.with_help("[listen.smtp] with addresses = [\"127.0.0.1:2525\"]"));
    }
    if config.routes.is_empty() && root.span_of("route").is_none() {
        let missing = Diagnostic::error(0..0, "there is no route, so no mail could leave");
        mistakes.add(missing.with_help("[[route]] with domains = [\"*\"] and next-hop = \"smtp://HOST:PORT\""));
    }
    if config.trusted.iter().any(|network| network.is_everybody()) {
        let open = Diagnostic::error(span("networks"), "everybody is trusted: this would be an open relay");
        mistakes.add(open.with_help("name the networks of your own hosts in `trusted`"));
    }
    if config.xclient.iter().any(|network| network.is_everybody()) {
        let open = Diagnostic::error(span("networks"), "everybody may say XCLIENT, and so be who they like");
        mistakes.add(open.with_help("name the relays before this one in `xclient`"));
    }
    addresses(config, mistakes);
    stage_names(config, mistakes);
    routes(config, mistakes);
    relay_tables(config, root, mistakes);
}

fn addresses(config: &Config, mistakes: &Mistakes) {
    let mut seen = Vec::new();
    for (address, span) in config.listeners.iter().flat_map(|listener| &listener.addresses).chain(&config.admin) {
        // Port 0 means any free one, a different one each time.
        if address.port() != 0 && seen.contains(&address) {
            mistakes.add(Diagnostic::error(span.clone(), format!("{address} is listened on already")));
        }
        seen.push(address);
    }
}

fn stage_names(config: &Config, mistakes: &Mistakes) {
    for (index, stage) in config.stages.iter().enumerate() {
        let before = config.stages.iter().take(index);
        if before.filter(|other| other.list == stage.list).any(|other| other.name == stage.name) {
            let twice = format!("there are two stages `{}` in [[{}]]", stage.name, stage.list);
            mistakes.add(Diagnostic::error(stage.plugin_span.clone(), twice).with_help("give one of them a `name`"));
        }
    }
}

fn routes(config: &Config, mistakes: &Mistakes) {
    let mut seen: Vec<&str> = Vec::new();
    // A route that is for some senders, or that a table leads out of, leaves mail to those below it.
    let fixed = |route: &&RouteEntry| route.senders.is_empty() && matches!(route.way, RouteWay::NextHop(_));
    for (covered, span) in config.routes.iter().filter(fixed).flat_map(|route| &route.domains) {
        let Covered::Pattern(domain) = covered else { continue };
        if let Some(covering) = seen.iter().find(|before| **before == "*" || *before == domain) {
            let unreachable = format!("mail for `{domain}` never comes here: `{covering}` above takes it");
            mistakes
                .add(Diagnostic::error(span.clone(), unreachable).with_help("put special routes before general ones"));
        }
        seen.push(domain);
    }
}

fn relay_tables(config: &Config, root: &Section<'_, '_>, mistakes: &Mistakes) {
    for domain in &config.relay_domains {
        if let RelayDomain::Table(name) = domain {
            let span = root.span_of("relay").unwrap_or(0..0);
            missing_table(name, &config.tables, span).into_iter().for_each(|missing| mistakes.add(missing));
        }
    }
}
