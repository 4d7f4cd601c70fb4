//! Reads the language-neutral test vectors in testvectors/.
