//! From options to a limit, if they make sense.

use std::sync::Arc;

use super::builder::{Given, RateLimitBuilder};
use super::claimed::digest;
use super::error::RateLimitError;
use super::limit::{Amount, Entry, Limit, RateLimitLayer};
use crate::limit::answer::{Fields, Policy, PolicyNameError, policy_names};
use crate::limit::quota::{Quota, Unit};

impl RateLimitBuilder {
    /// The layer.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it: see [`RateLimitError`].
    pub fn build(self) -> Result<RateLimitLayer, RateLimitError> {
        let (settle, telling) = (&self.settle, &self.telling);
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if self.quotas.is_empty() {
            return Err(RateLimitError::NoQuota(self.name));
        }
        for (place, given) in self.quotas.iter().enumerate() {
            if let Some(quota) = given.fixed() {
                quota.check().map_err(|source| RateLimitError::Quota {
                    limit: self.name.clone(),
                    place: place + 1,
                    source,
                })?;
            }
        }
        let counts_bytes = |given: &Given| {
            let quota = given.fixed();
            quota.is_none_or(|quota| quota.counts() == Unit::ContentBytes)
        };
        if settle.bytes && !self.quotas.iter().any(counts_bytes) {
            return Err(RateLimitError::NoQuotaOfBytes(self.name));
        }
        if telling.fields == Fields::Never && telling.only_to.is_some() {
            return Err(RateLimitError::Contradiction("Fields::Never", "tell_if"));
        }
        if self.dry_run && self.wait.is_some() {
            return Err(RateLimitError::Contradiction("dry_run", "wait"));
        }
        let fixed: Vec<_> = self.quotas.iter().map(Given::fixed).collect();
        let names = policy_names(&self.name, &fixed).map_err(|error| match error {
            PolicyNameError::Unprintable(name) => RateLimitError::Name(name),
            PolicyNameError::Twice(policy) => RateLimitError::DuplicatePolicy {
                limit: self.name.clone(),
                policy,
            },
        })?;
        let reads_form = self.quotas.iter().any(|given| given.by.reads_form());
        let form_body = self.form_body.filter(|_| reads_form);
        let mut policies = Vec::new();
        let entries = self.quotas.into_iter().zip(names).map(|(given, name)| {
            let policy = given
                .fixed()
                .and_then(|quota| Policy::of(name.clone(), quota));
            let place = policy.map(|policy| {
                policies.push(policy);
                policies.len() - 1
            });
            Entry {
                amount: given.amount,
                by_digest: digest(&*given.by),
                by: given.by,
                name,
                policy: place,
            }
        });
        let entries = entries.collect();
        let limit = Limit {
            counters: self.limiter.counters(&self.name),
            limiter: self.limiter,
            name: self.name.into(),
            entries,
            policies,
            scope: self.scope,
            missing: self.missing,
            cost: self.cost,
            settle: self.settle,
            telling: self.telling,
            dry_run: self.dry_run,
            switch: self.switch,
            wait: self.wait,
            deadline: self.deadline,
            form: form_body.map(|body| body(self.form_limit)),
        };
        Ok(RateLimitLayer {
            limit: Arc::new(limit),
        })
    }
}

impl Given {
    fn fixed(&self) -> Option<&Quota> {
        match &self.amount {
            Amount::Fixed(quota) => Some(quota),
            Amount::Computed(_) => None,
        }
    }
}
