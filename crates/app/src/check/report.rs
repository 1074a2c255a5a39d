//! What came out of checks, for people and for scripts.

use std::fmt::Write as _;

use serde::Serialize;

/// Where the document is that says more about each check.
const DOCUMENT: &str = "docs/troubleshooting.md";

macro_rules! subjects {
    ($($subject:ident $name:literal,)*) => {
        /// What is checked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub(crate) enum About {
            $(#[serde(rename = $name)] $subject,)*
        }

        impl About {
            /// All that is checked, in the order of the checks.
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$subject),*];

            /// Its name, which its section in the document has, too.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$subject => $name,)*
                }
            }
        }
    };
}

subjects! {
    Kubeconfig "Kubeconfig",
    ApiServer "API server",
    Configuration "Configuration",
    Permissions "Permissions",
    Address "Address",
    Dns "DNS",
    Connection "Connection",
    Tls "TLS",
    Login "Login",
    Role "Role",
    Controller "Controller",
    Tenant "Tenant",
    Cloud "Cloud",
    Networks "Networks",
    Vrf "VRF",
    SeGroup "SE group",
    Operator "Operator",
    Leader "Leader",
    Freshness "Freshness",
    Objects "Objects",
    Conflicts "Conflicts",
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// It is as it has to be.
    Ok,
    /// The operator runs, and something is not as it should be.
    Warning,
    /// The operator does not run, or does nothing, before this is mended.
    Failed,
}

impl Outcome {
    fn mark(self) -> &'static str {
        match self {
            Self::Ok => "✔",
            Self::Warning => "!",
            Self::Failed => "✘",
        }
    }
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    /// What was checked.
    pub(crate) about: About,
    pub(crate) outcome: Outcome,
    /// What was found, in one sentence.
    pub(crate) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) way_out: Option<String>,
    /// Where more is said about it.
    pub(crate) document: String,
}

/// All checks, in the order in which they were made.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) checks: Vec<Check>,
}

impl Report {
    /// Notes a check that found everything in order.
    pub(crate) fn ok(&mut self, about: About, found: impl Into<String>) {
        self.add(about, Outcome::Ok, found, None);
    }

    /// Notes a check that found what keeps the operator from working.
    pub(crate) fn failed(&mut self, about: About, found: impl Into<String>, way_out: &str) {
        self.add(about, Outcome::Failed, found, Some(way_out));
    }

    /// Notes a check that found what should be otherwise.
    pub(crate) fn warning(&mut self, about: About, found: impl Into<String>, way_out: &str) {
        self.add(about, Outcome::Warning, found, Some(way_out));
    }

    fn add(&mut self, about: About, outcome: Outcome, found: impl Into<String>, way_out: Option<&str>) {
        let way_out = way_out.filter(|way_out| !way_out.is_empty()).map(str::to_owned);
        let document = format!("{DOCUMENT}#{}", about.name().to_lowercase().replace(' ', "-"));
        self.checks.push(Check { about, outcome, found: found.into(), way_out, document });
    }

    /// The worst outcome.
    pub(crate) fn outcome(&self) -> Outcome {
        let has = |outcome| self.checks.iter().any(|check| check.outcome == outcome);
        match (has(Outcome::Failed), has(Outcome::Warning)) {
            (true, _) => Outcome::Failed,
            (false, true) => Outcome::Warning,
            (false, false) => Outcome::Ok,
        }
    }

    /// A line for each check, and what to do below those that are not in order.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for check in &self.checks {
            let _ = writeln!(out, "{} {:<16} {}", check.outcome.mark(), check.about.name(), check.found);
            if check.outcome != Outcome::Ok {
                for line in check.way_out.iter().chain([&format!("see {}", check.document)]) {
                    let _ = writeln!(out, "  {:<16} {line}", "");
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_more_about_each() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/troubleshooting.md");
        let page = std::fs::read_to_string(path).unwrap();
        let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        for about in About::ALL {
            assert!(sections.contains(&about.name()), "no section {} in {DOCUMENT}", about.name());
        }
    }

    #[test]
    fn what_is_not_in_order_is_followed_by_the_way_out() {
        let mut report = Report::default();
        report.ok(About::ApiServer, "Kubernetes 1.36 answers");
        assert_eq!(report.outcome(), Outcome::Ok);
        report.warning(About::Tls, "the certificate is not verified", "put the authority into the Secret");
        assert_eq!(report.outcome(), Outcome::Warning);
        report.failed(About::Login, "HTTP 401: Invalid credentials", "");
        assert_eq!(report.outcome(), Outcome::Failed);
        let expected = "\
✔ API server       Kubernetes 1.36 answers
! TLS              the certificate is not verified
                   put the authority into the Secret
                   see docs/troubleshooting.md#tls
✘ Login            HTTP 401: Invalid credentials
                   see docs/troubleshooting.md#login
";
        assert_eq!(report.text(), expected);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["checks"][1]["outcome"], "warning");
        assert_eq!(json["checks"][2].get("way_out"), None);
    }
}
