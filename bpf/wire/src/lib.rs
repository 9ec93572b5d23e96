//! The bytes that the kernel and user halves share.
