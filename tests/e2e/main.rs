//! End-to-end tests: the real binary on loopback, real clients, real next hops. One file a scenario.

mod client;
mod dovecot;
mod exim;
mod postfix;
mod relay;
mod sink;
mod tls_client;

mod access;
mod address_rules;
#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../differential/random.rs"]
mod random;

#[path = "../support/dns_server.rs"]
mod dns_server;
#[path = "../support/program.rs"]
mod program;

mod all_three_lists;
mod attachments;
mod auth;
mod bench_command;
mod bench_page;
mod chaos;
mod clients;
mod commands;
mod crash;
mod dialogues;
mod examples;
mod extract;
mod full_disk;
mod limits;
mod log_formats;
mod metrics;
mod migration;
mod missing_fields;
mod outgoing_security;
mod pass_through;
mod peers;
mod pipeline_tests;
mod proxy;
mod queue;
mod records;
mod reload;
mod rewriting;
mod session_effects;
mod spinning;
mod submission;
mod tables;
mod tls;
mod traces;
mod written_files;
