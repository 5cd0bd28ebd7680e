//! How the program finds its way: to AWS, and to who it is there.

mod ambient;
mod ambient_broken;
mod eks_token;
