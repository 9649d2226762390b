//! A stage's `config`: from JSON to the filter's own type, each mistake with the path of its key.

#[cfg(any(target_arch = "wasm32", test))]
use serde::de::DeserializeOwned;

/// A mistake in a stage's `config`. The relay shows it with the line and column of the key in the TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Which key: `domains`, `domains[2]`, `rules[0].pattern`; empty for the configuration as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ConfigError {
    /// A mistake at a key.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// Parse the JSON that the relay passes to `configure`.
#[cfg(any(target_arch = "wasm32", test))]
pub(crate) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, Vec<ConfigError>> {
    // By way of a `Value`, so that messages do not tell lines and columns of a JSON text that nobody has written.
    let value: serde_json::Value =
        serde_json::from_str(json).map_err(|error| vec![ConfigError::new("", error.to_string())])?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        vec![ConfigError { path, message: error.into_inner().to_string() }]
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default, rename = "domains")]
        _domains: Vec<String>,
    }

    #[test]
    fn a_mistake_has_the_path_of_its_key() {
        let mistakes = parse::<Config>(r#"{"domains": ["a", 2]}"#).expect_err("a mistake");
        assert_eq!(mistakes, [ConfigError::new("domains[1]", "invalid type: integer `2`, expected a string")]);
        let mistakes = parse::<Config>(r#"{"domians": []}"#).expect_err("a mistake");
        assert_eq!(mistakes, [ConfigError::new("domians", "unknown field `domians`, expected `domains`")]);
    }
}
