//! Whether the account may do on the controller what the operator does there.

use ako_avi_io::{Access, Allowed, Place, Privilege};
use ako_avi_types::{ErrorClass, Failure, Kind};
use ako_core::config::ServiceMode;
use ako_core::{Config, Program};

use super::WITHIN;
use super::report::{About, Report};
use crate::run::connection::Connection;
use crate::run::settings::Settings;

/// Asks for the roles of the account.
pub(super) async fn check(settings: &Settings, connection: &Connection, report: &mut Report) {
    let user = &*settings.credentials.username;
    match tokio::time::timeout(WITHIN, connection.client.allowed(user)).await {
        Ok(Ok(allowed)) => judge(settings, &allowed, report),
        Ok(Err(failure)) => unknown(user, &failure, report),
        Err(_) => {
            report.warning(About::Role, format!("what {user} may do is not told in time"), "");
        }
    }
}

fn unknown(user: &str, failure: &Failure, report: &mut Report) {
    let way_out = if failure.class == ErrorClass::Denied {
        "give it the role ako-all-tenants of deploy/avi-roles in all tenants, so that this can be checked"
    } else {
        ""
    };
    report.warning(About::Role, format!("what {user} may do is not known: {failure}"), way_out);
}

fn judge(settings: &Settings, allowed: &Allowed, report: &mut Report) {
    let (user, config) = (&settings.credentials.username, &settings.config);
    if *allowed == Allowed::Everything {
        return report.ok(About::Role, format!("{user} may do everything"));
    }
    let mut missing = allowed.missing(&config.tenant, config.program.written());
    missing.retain(|privilege| is_needed(privilege, config));
    if missing.is_empty() {
        return report.ok(About::Role, format!("{user} may do all that is needed"));
    }
    let lacking: Vec<_> =
        Place::ALL.into_iter().filter_map(|place| lacking(place, &missing, config)).collect();
    let found = format!("{user} lacks {}", lacking.join("; "));
    let roles: Vec<_> =
        Place::ALL.into_iter().filter(|place| missing.iter().any(|p| p.place == *place)).collect();
    let roles: Vec<_> =
        roles.iter().map(|place| format!("{} in {}", place.role(), name(*place, config))).collect();
    let way_out = format!("give it the roles of deploy/avi-roles: {}", roles.join(", "));
    if missing.iter().any(|privilege| privilege.access == Access::Write) {
        report.failed(About::Role, found, &way_out);
    } else {
        report.warning(About::Role, found, &way_out);
    }
}

/// Only a primary instance writes routes, and only to pods, and not with `disableStaticRouteSync`. The
/// CRD operator has to do with its own kinds alone.
fn is_needed(privilege: &Privilege, config: &Config) -> bool {
    if config.program == Program::CrdOperator {
        let is_its_own = |kind: &Kind| privilege.resource == Privilege::guarding(*kind);
        return privilege.place == Place::Everywhere || Kind::OF_CUSTOM_RESOURCES.iter().any(is_its_own);
    }
    let routes = config.primary && config.service_mode == ServiceMode::ClusterIp && !config.no_static_routes;
    routes || privilege.access == Access::Read || privilege.resource != Privilege::guarding(Kind::VrfContext)
}

fn lacking(place: Place, missing: &[Privilege], config: &Config) -> Option<String> {
    let here: Vec<_> =
        missing.iter().filter(|privilege| privilege.place == place).map(ToString::to_string).collect();
    (!here.is_empty()).then(|| format!("{} in {}", here.join(", "), name(place, config)))
}

fn name(place: Place, config: &Config) -> String {
    match place {
        Place::Everywhere => "all tenants".to_owned(),
        Place::Admin => "tenant admin".to_owned(),
        Place::Tenant => format!("tenant {}", config.tenant),
    }
}

#[cfg(test)]
mod tests {
    use ako_sim_avi::{Role, SimAvi};
    use serde_json::Value;
    use tokio::sync::watch;

    use super::super::report::Outcome;
    use super::*;
    use crate::run::testing;

    /// The roles of `deploy/avi-roles`, as an administrator gives them.
    fn documented() -> Vec<Value> {
        let read = |place: Place| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/avi-roles");
            let text = std::fs::read_to_string(format!("{folder}/{}.json", place.role())).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        Place::ALL.map(read).to_vec()
    }

    /// The checks of both programs.
    async fn checked_by_both(sim: &SimAvi, roles: &[Value]) -> [Report; 2] {
        let of_operator = checked(sim, roles, true).await;
        [of_operator, checked_for(Program::CrdOperator, sim, roles, true).await]
    }

    /// The check of an instance that writes routes, or none.
    async fn checked(sim: &SimAvi, roles: &[Value], routes: bool) -> Report {
        checked_for(Program::Operator, sim, roles, routes).await
    }

    async fn checked_for(program: Program, sim: &SimAvi, roles: &[Value], routes: bool) -> Report {
        let given = roles.iter().map(|role| {
            let tenant = (role["name"] != "ako-all-tenants").then_some("admin");
            Role::read(role, tenant).unwrap()
        });
        sim.set_roles(Some(given.collect()));
        let connection = testing::connection(sim, testing::clock().1, watch::channel(false).1);
        let mut report = Report::default();
        let mut settings = testing::settings();
        settings.config.no_static_routes = !routes;
        settings.config.program = program;
        check(&settings, &connection, &mut report).await;
        report
    }

    #[tokio::test]
    async fn each_privilege_that_is_taken_away_is_named() {
        let sim = SimAvi::new(ako_sim_avi::Options::default());
        let roles = documented();
        for report in checked_by_both(&sim, &roles).await {
            assert_eq!(report.outcome(), Outcome::Ok, "{}", report.text());
        }
        for (number, role) in roles.iter().enumerate() {
            for (at, privilege) in role["privileges"].as_array().unwrap().iter().enumerate() {
                let mut without = roles.clone();
                without[number]["privileges"].as_array_mut().unwrap().remove(at);
                let reports = checked_by_both(&sim, &without).await;
                let (name, access) = (&privilege["resource"], privilege["type"].as_str().unwrap());
                let named = format!("{} ({access})", name.as_str().unwrap());
                let expected = if access == "WRITE_ACCESS" { Outcome::Failed } else { Outcome::Warning };
                let says_so =
                    |report: &Report| report.text().contains(&named) && report.outcome() == expected;
                assert!(reports.iter().any(says_so), "{}{}", reports[0].text(), reports[1].text());
            }
        }
    }

    #[tokio::test]
    async fn routes_that_are_not_written_need_no_privilege() {
        let sim = SimAvi::new(ako_sim_avi::Options::default());
        let mut roles = documented();
        for role in &mut roles {
            let privileges = role["privileges"].as_array_mut().unwrap();
            privileges.retain(|privilege| privilege["resource"] != "PERMISSION_VRFCONTEXT");
        }
        assert_eq!(checked(&sim, &roles, false).await.outcome(), Outcome::Ok);
        assert_eq!(checked(&sim, &roles, true).await.outcome(), Outcome::Failed);
    }

    #[tokio::test]
    async fn whoever_may_do_everything_needs_no_role() {
        let sim = SimAvi::new(ako_sim_avi::Options::default());
        let connection = testing::connection(&sim, testing::clock().1, watch::channel(false).1);
        let mut report = Report::default();
        check(&testing::settings(), &connection, &mut report).await;
        assert_eq!(report.text(), "✔ Role             admin may do everything\n");
    }
}
