//! From root to somebody who may do nothing, once all that needs root is open.
//!
//! In: a user's name. Out: a process whose every thread is that user, or an error after which the
//! program must not go on: it is about to read packets that strangers wrote.
//! Must not know what was opened.
//! Source: setuid(2), credentials(7); "Setuid demystified" (Chen, Wagner, Dean 2002): drop groups, then
//! the group, then the user, then look.

use std::{fs, io};

use nix::unistd::{Gid, Uid, User, getegid, geteuid, getgid, getuid, setgid, setuid};

/// Why the program is still who it was.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The system does not know the name.
    #[error("there is no user `{0}`: name another with --user")]
    NoUser(String),
    /// Only root can become somebody.
    #[error("only root can become `{0}`: leave --user out, or start as root")]
    NotRoot(String),
    /// The system refused a step.
    #[error("cannot become `{user}`: {step}: {error}")]
    Step {
        /// The user's name.
        user: String,
        /// What was tried.
        step: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// The system did not refuse, and yet something is left.
    #[error("still more than `{user}` after the change: {what}; not going on")]
    Left {
        /// The user's name.
        user: String,
        /// What is left.
        what: String,
    },
}

/// The name of the user whom the process acts for; its number where it has no name.
pub fn whoami() -> String {
    let uid = geteuid();
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Whether the process acts for root.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Becomes `name`, with its own group and no other, in all threads and for good.
///
/// # Errors
/// It did not work, or not wholly.
pub fn become_user(name: &str) -> Result<(), Denied> {
    let user = User::from_name(name).ok().flatten().ok_or_else(|| Denied::NoUser(name.to_owned()))?;
    if geteuid() == user.uid && getuid() == user.uid {
        return Ok(());
    }
    if !is_root() {
        return Err(Denied::NotRoot(name.to_owned()));
    }
    let step = |step| move |error: nix::Error| Denied::Step { user: name.to_owned(), step, error: error.into() };
    // Other systems have no list of groups that a program could set so.
    #[cfg(target_os = "linux")]
    nix::unistd::setgroups(&[user.gid]).map_err(step("its groups"))?;
    setgid(user.gid).map_err(step("its group"))?;
    setuid(user.uid).map_err(step("its number"))?;
    left(&user).map_or(Ok(()), |what| Err(Denied::Left { user: name.to_owned(), what }))
}

/// What the process still is besides `user`.
fn left(user: &User) -> Option<String> {
    if [getuid(), geteuid()] != [user.uid; 2] || [getgid(), getegid()] != [user.gid; 2] {
        return Some(format!("user {}, group {}", geteuid(), getegid()));
    }
    if !user.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        return Some("it could become root again".to_owned());
    }
    #[cfg(target_os = "linux")]
    if nix::unistd::getgroups().is_ok_and(|groups| groups != [user.gid]) {
        return Some("groups".to_owned());
    }
    // Linux changes threads one by one, and the C library does it for all; believing is not enough. Where
    // there is no /proc there is nothing to look at.
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    threads.filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok()).find_map(|status| {
        let wrong = status.lines().find(|line| !is_plain(line, user.uid, user.gid))?;
        Some(format!("a thread has {}", wrong.replace('\t', " ")))
    })
}

/// Whether a line of a thread's status shows nothing but this user without powers.
fn is_plain(line: &str, uid: Uid, gid: Gid) -> bool {
    let (key, value) = line.split_once(':').unwrap_or((line, ""));
    let all = |id: u32| value.split_whitespace().all(|word| word == id.to_string());
    match key {
        "Uid" => all(uid.as_raw()),
        "Gid" => all(gid.as_raw()),
        "CapPrm" | "CapEff" | "CapAmb" => uid.is_root() || value.trim().bytes().all(|digit| digit == b'0'),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_was_forgotten_is_noticed() {
        let plain = |line| is_plain(line, Uid::from_raw(65_534), Gid::from_raw(65_534));
        assert!(
            plain("Uid:\t65534\t65534\t65534\t65534") && plain("CapEff:\t0000000000000000") && plain("Threads:\t3")
        );
        assert!(!plain("Uid:\t65534\t65534\t0\t65534") && !plain("Gid:\t0\t0\t0\t0"));
        assert!(!plain("CapPrm:\t0000000000002000"));
    }

    #[test]
    fn who_does_not_exist_is_nobody_to_become() {
        let error = become_user("no-such-user-here").unwrap_err();
        assert!(error.to_string().contains("--user"), "{error}");
    }

    #[test]
    fn becoming_who_one_is_changes_nothing() {
        assert!(become_user(&whoami()).is_ok());
    }
}
