#!/bin/sh
# Makes the certificates of the tests anew. They are in the repository, because the tests shall need no
# openssl. `authority` signs the server's and the clients'; `stranger` is another authority.
set -eu
cd "$(dirname "$0")"

cat > ca.conf <<CONF
[ca]
default_ca = tests
[tests]
database = ca.index
new_certs_dir = .
rand_serial = yes
default_md = sha256
default_startdate = 20200101000000Z
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
[certificate]
subjectAltName = DNS:localhost,IP:127.0.0.1
CONF
: > ca.index

# request FILE CN: a key, and a request for its certificate
request() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  openssl req -new -key "$1.key" -subj "/O=ktree tests/CN=$2" -out "$1.csr"
}
# sign FILE END EXTENSIONS [more arguments of openssl ca]
sign() {
  file=$1 end=$2 extensions=$3
  shift 3
  openssl ca -batch -config ca.conf -notext -enddate "$end" -extensions "$extensions" \
    -in "$file.csr" -out "$file.crt" "$@"
}
# certificate FILE AUTHORITY CN END
certificate() {
  request "$1" "$3"
  sign "$1" "$4" certificate -cert "$2.crt" -keyfile "$2.key"
}

for name in authority stranger; do
  request "$name" "$name"
  sign "$name" 21200101000000Z authority -selfsign -keyfile "$name.key"
done
certificate server authority localhost 21200101000000Z
certificate renewed authority renewed 21200101000000Z
certificate alice authority alice 21200101000000Z
certificate bob authority bob 21200101000000Z
certificate foreign stranger alice 21200101000000Z
certificate expired authority alice 20200102000000Z
openssl ec -in server.key -aes256 -passout pass:secret -out server-encrypted.key
rm -f ca.conf* ca.index* ./*.csr ./[0-9A-F]*.pem stranger.key authority.key
