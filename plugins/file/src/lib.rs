//! file: placeholder replaced below.
