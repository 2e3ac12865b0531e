// The oldest NATS server that Switchboard supports, for tests. It is a module of its own because one module cannot have
// two versions of nats-server; see testserver.OldestNATS.
module github.com/hiliosai/switchboard/test/natsd210

go 1.26

tool github.com/nats-io/nats-server/v2

require (
	github.com/klauspost/compress v1.17.4 // indirect
	github.com/minio/highwayhash v1.0.2 // indirect
	github.com/nats-io/jwt/v2 v2.5.3 // indirect
	github.com/nats-io/nats-server/v2 v2.10.0 // indirect
	github.com/nats-io/nkeys v0.4.6 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	go.uber.org/automaxprocs v1.5.3 // indirect
	golang.org/x/crypto v0.16.0 // indirect
	golang.org/x/sys v0.15.0 // indirect
	golang.org/x/time v0.5.0 // indirect
)
