//! How clusters and accounts are reached, told the way that people know from other tools.

mod ambient;
mod ambient_broken;
mod eks_token;
mod exec;
mod kubeconfig;
mod renewal;
