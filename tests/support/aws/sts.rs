//! STS: GetCallerIdentity, which needs no permission.

use super::account::{ACCOUNT, Account, Caller, Owner};
use super::reply::element;

pub(super) fn get_caller_identity(account: &Account, caller: &Caller) -> String {
    let user_id = match &caller.owner {
        Owner::Root => ACCOUNT,
        Owner::User(name) => &account.users[name].id,
    };
    [
        element("Arn", &account.arn(&caller.owner)),
        element("UserId", user_id),
        element("Account", ACCOUNT),
    ]
    .concat()
}
