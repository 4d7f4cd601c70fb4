//! Certificates, Node-IDs and signatures (RFC 6940 sections 6.3.4, 7.1 and 11).
