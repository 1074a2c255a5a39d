//! What is found of a rule as a whole, and how that is said.

use std::sync::Arc;

use ako_core::ResourceId;
use ako_core::resource::{Part, Truth};

use crate::context::Context;
use crate::output::Output;
use crate::statement::{State, Statement, What};
use crate::view::View;

/// Whether a rule is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Accepted,
    /// It is not, for all these reasons.
    Rejected(Arc<str>),
    /// The controller does not tell. The rule is taken to be right, and nothing is said of it.
    NotKnown,
}

/// What a rule of a namespace is looked at with: in the tenant of the namespace. A rule that is
/// wrong in itself is not looked at further.
pub(crate) fn in_tenant_of(
    context: &Context,
    view: &View<'_>,
    namespace: &Arc<str>,
    invalid: Option<&Arc<str>>,
) -> Result<Context, Verdict> {
    if let Some(invalid) = invalid {
        return Err(Verdict::Rejected(invalid.clone()));
    }
    let tenant = context.tenant_of(view, namespace);
    tenant.map(|tenant| context.in_tenant(&tenant)).map_err(|why| Verdict::Rejected(why.into()))
}

impl Verdict {
    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }

    /// That of a rule that is right but for these.
    pub(crate) fn of(mistakes: &[String]) -> Self {
        if mistakes.is_empty() { Self::Accepted } else { Self::Rejected(mistakes.join("; ").into()) }
    }

    /// Says it of the rule, which has this generation.
    pub(crate) fn say(&self, rule: &ResourceId, generation: i64, out: &mut Output) {
        let (status, truth, why) = match self {
            Self::Accepted => ("Accepted", Truth::True, Arc::default()),
            Self::Rejected(why) => ("Rejected", Truth::False, why.clone()),
            Self::NotKnown => return,
        };
        let condition = What::Condition {
            part: Part::Whole,
            kind: "Accepted",
            state: State::Known(truth, status, why.clone()),
            generation,
        };
        // The error is empty where there is none, as upstream leaves it.
        let all = [What::Field("status", status.into()), What::Field("error", why), condition];
        out.statements.extend(all.map(|what| Statement { object: rule.clone(), what }));
    }
}
