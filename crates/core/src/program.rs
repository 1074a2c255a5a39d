//! The two programs of AKO's chart: the same binary and the same engine, with other kinds.

use std::collections::BTreeMap;

use ako_avi_types::Kind;

/// Which program an instance is. Source: Custom resources, §9.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Program {
    /// `ako run`: what Ingresses, Routes and Services ask for.
    #[default]
    Operator,
    /// `ako crd-operator`: health monitors, application profiles and PKI profiles of custom
    /// resources.
    CrdOperator,
}

/// The keys of the ConfigMap that concern the CRD operator; all others are the operator's.
const OF_CRD_OPERATOR: [&str; 17] = [
    "clusterName",
    "controllerIP",
    "controllerServerName",
    "controllerVersion",
    "cloudName",
    "tenantName",
    "dedicatedTenantMode",
    "fullSyncFrequency",
    "apiServerPort",
    "logLevel",
    "enableEvents",
    "deletionGuardMinimum",
    "deletionGuardPercent",
    "leaderElectionProfile",
    "leaseDuration",
    "renewDeadline",
    "retryPeriod",
];

impl Program {
    /// The kinds that it creates and deletes on the controller.
    pub fn written(self) -> &'static [Kind] {
        match self {
            Self::Operator => Kind::WRITTEN,
            Self::CrdOperator => Kind::OF_CUSTOM_RESOURCES,
        }
    }

    /// Whether a key of the ConfigMap concerns it.
    pub fn concerns(self, key: &str) -> bool {
        self == Self::Operator || OF_CRD_OPERATOR.contains(&key)
    }

    /// Of the data of the ConfigMap what concerns it.
    pub fn concerned(self, mut data: BTreeMap<String, String>) -> BTreeMap<String, String> {
        data.retain(|key, _| self.concerns(key));
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn what_concerns_the_crd_operator_are_keys() {
        for key in OF_CRD_OPERATOR {
            assert!(keys().iter().any(|known| known.name == key), "{key}");
        }
    }
}
