//! Stored data (RFC 6940 section 7): data models, access control, generations, lifetimes, replicas.
