//! Strips internal host names from addresses, as Postfix masquerade_domains does.
