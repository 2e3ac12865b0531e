package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/internal/testserver/nowhere"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/node/internal/strictyaml"
)

func natsd(t *testing.T, opts *server.Options) *server.Server {
	t.Helper()
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", -1, true, true
	srv, err := server.NewServer(opts)
	require.NoError(t, err)
	go srv.Start()
	require.True(t, srv.ReadyForConnections(generous))
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	return srv
}

// dial joins the cluster with a configuration and returns what was logged.
func dial(t *testing.T, change func(*config.Config)) (string, error) {
	t.Helper()
	c := config.Default()
	c.Node.ID = "auth-test"
	c.NATS.StartTimeout = time.Second // one attempt
	c.Log.Level = "trace"
	change(c)
	require.NoError(t, c.Validate())
	var out buffer
	log, secrets := logrus.New(), &redact.Secrets{}
	app.ConfigureLog(log, &out, c.Log, secrets)
	client, err := app.Dial(t.Context(), c, log, secrets)
	if err == nil {
		client.Close()
	}
	return out.String(), err
}

func TestNATSIsTriedAnewEveryTwoSecondsWhileThereIsTime(t *testing.T) {
	address := strings.TrimPrefix(nowhere.URL(t), "http://")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		told, err := dial(t, func(c *config.Config) {
			c.NATS.Servers, c.NATS.Embedded, c.NATS.StartTimeout = []config.URL{
				config.URL("nats://" + address),
			}, false, 5*time.Second
		})
		require.ErrorContains(t, err, "cannot reach NATS at nats://"+address+" within 5s (nats.startTimeout): ")
		require.Equal(
			t, 2, strings.Count(told, "trying again in 2s"), "after the third attempt there is no time for another one",
		)
		require.Equal(t, 4*time.Second, time.Since(began))
	})
}

func servers(srv ...*server.Server) []config.URL {
	var list []config.URL
	for _, s := range srv {
		list = append(list, config.URL(s.ClientURL()))
	}
	return list
}

func TestNATSLoginsAllWork(t *testing.T) {
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	public, err := user.PublicKey()
	require.NoError(t, err)

	byName := natsd(t, &server.Options{Username: "switchboard", Password: "CANARY-password"})
	byToken := natsd(t, &server.Options{Authorization: "CANARY-token"})
	byNKey := natsd(t, &server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}})
	byJWT, creds := operatorServer(t)
	open := natsd(t, &server.Options{})

	for name, test := range map[string]struct {
		change func(*config.Config)
		wrong  func(*config.Config) // nil where there is nothing to get wrong
	}{
		"user and password": {
			func(c *config.Config) {
				c.NATS.Servers, c.NATS.User, c.NATS.Password = servers(byName), "switchboard", "CANARY-password"
			},
			func(c *config.Config) { c.NATS.Password = "CANARY-wrong" },
		},
		"user and password in the URL": {
			func(c *config.Config) {
				u, err := url.Parse(byName.ClientURL())
				require.NoError(t, err)
				c.NATS.Servers = []config.URL{config.URL("nats://switchboard:CANARY-password@" + u.Host)}
			},
			func(c *config.Config) { c.NATS.Servers = servers(byName) },
		},
		"token": {
			func(c *config.Config) { c.NATS.Servers, c.NATS.Token = servers(byToken), "CANARY-token" },
			func(c *config.Config) { c.NATS.Token = "CANARY-wrong" },
		},
		"nkey": {
			func(c *config.Config) { c.NATS.Servers, c.NATS.NKey = servers(byNKey), strictyaml.Secret(seed) },
			func(c *config.Config) { c.NATS.NKey = "" },
		},
		"creds file": {
			func(c *config.Config) { c.NATS.Servers, c.NATS.Creds = servers(byJWT), creds },
			func(c *config.Config) { c.NATS.Creds = "" },
		},
		"the second of two servers, when the first is down": {
			func(c *config.Config) {
				c.NATS.Servers = append([]config.URL{"nats://127.0.0.1:1"}, servers(open)...)
			},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			log, err := dial(t, test.change)
			require.NoError(t, err)
			require.NotContains(t, log, "CANARY")
			require.NotContains(t, log, string(seed))
			if test.wrong == nil {
				return
			}
			log, err = dial(t, func(c *config.Config) { test.change(c); test.wrong(c) })
			require.ErrorContains(t, err, "refuses the login")
			require.NotContains(t, log+err.Error(), "CANARY")
		})
	}
}

// operatorServer is a server that takes users by JWT, and the credentials file of one.
func operatorServer(t *testing.T) (*server.Server, string) {
	t.Helper()
	key := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		pair, err := create()
		require.NoError(t, err)
		public, err := pair.PublicKey()
		require.NoError(t, err)
		return pair, public
	}
	operator, operatorID := key(nkeys.CreateOperator)
	account, accountID := key(nkeys.CreateAccount)
	user, userID := key(nkeys.CreateUser)

	accountJWT, err := jwt.NewAccountClaims(accountID).Encode(operator)
	require.NoError(t, err)
	userJWT, err := jwt.NewUserClaims(userID).Encode(account)
	require.NoError(t, err)
	resolver := &server.MemAccResolver{}
	require.NoError(t, resolver.Store(accountID, accountJWT))

	seed, err := user.Seed()
	require.NoError(t, err)
	creds, err := jwt.FormatUserConfig(userJWT, seed)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "user.creds")
	require.NoError(t, os.WriteFile(file, creds, 0o600))
	return natsd(t, &server.Options{TrustedKeys: []string{operatorID}, AccountResolver: resolver}), file
}

func TestTLSWithAnOwnAuthorityAndAClientCertificateWorks(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	ca.issue(t, dir, "server", x509.ExtKeyUsageServerAuth)
	ca.issue(t, dir, "client", x509.ExtKeyUsageClientAuth)
	file := func(name string) string { return filepath.Join(dir, name) }

	tlsConfig, err := server.GenTLSConfig(
		&server.TLSConfigOpts{
			CertFile: file("server.pem"), KeyFile: file("server.key"), CaFile: file("ca.pem"), Verify: true,
		},
	)
	require.NoError(t, err)
	tlsConfig.MinVersion = tls.VersionTLS12
	srv := natsd(t, &server.Options{TLS: true, TLSVerify: true, TLSConfig: tlsConfig})
	secured := func(c *config.Config) {
		u, err := url.Parse(srv.ClientURL())
		require.NoError(t, err)
		c.NATS.Servers = []config.URL{config.URL("tls://" + u.Host)}
		c.NATS.TLS = config.TLS{CA: file("ca.pem"), Cert: file("client.pem"), Key: file("client.key")}
	}
	_, err = dial(t, secured)
	require.NoError(t, err)

	for name, wrong := range map[string]func(*config.Config){
		"no client certificate": func(c *config.Config) { c.NATS.TLS.Cert, c.NATS.TLS.Key = "", "" },
		"an unknown authority":  func(c *config.Config) { c.NATS.TLS.CA = "" },
		"a missing file":        func(c *config.Config) { c.NATS.TLS.CA = file("nowhere.pem") },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dial(t, func(c *config.Config) { secured(c); wrong(c) })
			require.ErrorContains(t, err, "cannot reach NATS at tls://")
		})
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = a.certificate(
		t, dir, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign},
	)
	return a
}

func (a *authority) issue(t *testing.T, dir, name string, usage x509.ExtKeyUsage) {
	t.Helper()
	a.certificate(t, dir, name, &x509.Certificate{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
}

// certificate writes name.pem and name.key. Without an authority it is signed by itself.
func (a *authority) certificate(
	t *testing.T, dir, name string, template *x509.Certificate,
) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	write := func(file, kind string, der []byte) {
		require.NoError(
			t, os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600),
		)
	}
	write(name+".pem", "CERTIFICATE", der)
	write(name+".key", "EC PRIVATE KEY", keyDER)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}
