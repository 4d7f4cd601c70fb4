#!/bin/sh
# Makes the keys and certificates of this folder anew, with openssl alone. The signatures in
# vectors.toml then no longer fit: see README.md.
set -eu
cd "$(dirname "$0")"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key.pem
openssl req -x509 -new -key ca.key.pem -days 36500 -subj "/CN=Test vector CA" -out ca.crt.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ecdsa.key.pem
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key.pem
ALICE="URI:reload://011000112233445566778899aabbccddeeff@vectors.example/"
BOB="URI:reload://0110112233445566778899aabbccddeeff00@vectors.example/"
SECOND="URI:reload://01102233445566778899aabbccddeeff0011@vectors.example/"
issue() { # key, name, subjectAltName
    openssl req -new -key "$1.key.pem" -subj "/" -out request.tmp
    printf 'subjectAltName=critical,%s\nbasicConstraints=critical,CA:FALSE\n' "$3" >extensions.tmp
    openssl x509 -req -in request.tmp -CA ca.crt.pem -CAkey ca.key.pem -set_serial "0x$(openssl rand -hex 8)" \
        -days 36500 -extfile extensions.tmp -out "$2.crt.pem"
    rm request.tmp extensions.tmp
}
issue ecdsa ecdsa "$ALICE,email:alice@vectors.example"
issue rsa rsa "$BOB,email:bob@vectors.example"
issue rsa two "$BOB,$SECOND,email:bob@vectors.example"
# Version 1: no extensions at all.
openssl req -new -key ecdsa.key.pem -subj "/CN=old" -out request.tmp
openssl x509 -req -in request.tmp -CA ca.crt.pem -CAkey ca.key.pem -set_serial 1 -days 36500 -out v1.crt.pem
rm request.tmp
