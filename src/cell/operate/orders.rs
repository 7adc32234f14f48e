//! Carries out orders that another process passed on.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::redrive::{Redrive, RedriveError};
use super::stop::stop_all;
use crate::cell::commit::Pipeline;
use crate::cell::follow::{CarriedOut, CarriesOut};
use crate::cell::runs::RunIndex;
use crate::core::order::{Order, Target};

/// Carries out orders.
pub(in crate::cell) struct Orders {
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) pipeline: Arc<Pipeline>,
    pub(in crate::cell) redrive: Arc<Redrive>,
}

impl CarriesOut for Orders {
    fn carry_out(&self, order: Order) -> BoxFuture<'_, CarriedOut> {
        async move {
            match order {
                Order::Stop { runs, reason } => self.stop(&runs, &reason).await,
                Order::Redrive { runs } => self.begin_again(&runs).await,
            }
        }
        .boxed()
    }
}

impl Orders {
    async fn stop(&self, runs: &[Target], reason: &str) -> CarriedOut {
        // One that is not in memory has ended.
        let is_meant = |target: &&Target| self.redrives(target.run) == Some(target.redrives);
        let meant: Vec<Uuid> = runs.iter().filter(is_meant).map(|target| target.run).collect();
        stop_all(&self.pipeline, &meant, reason).await;
        match self.pipeline.is_closed() {
            true => CarriedOut::CutOff,
            false => CarriedOut::Durably,
        }
    }

    async fn begin_again(&self, runs: &[Target]) -> CarriedOut {
        let mut outcome = CarriedOut::Durably;
        for (target, redriven) in runs.iter().zip(self.redrive.redrive_these(runs).await) {
            match redriven {
                Ok(_) => {}
                Err(RedriveError::Full | RedriveError::Store(_)) => outcome = CarriedOut::NotNow,
                Err(RedriveError::Closed) => return CarriedOut::CutOff,
                Err(error) => tracing::info!(run = %target.run, %error, "an order to redrive changes nothing"),
            }
        }
        outcome
    }

    fn redrives(&self, run: Uuid) -> Option<u32> {
        self.runs.read(run, |run| run.redrives)
    }
}
