//! stdout: placeholder replaced below.
