//go:build unix

package kafkatest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Files in the broker's directory. Kafka reads PEM as it is, so no keystore is needed.
const (
	caPEM         = "ca.pem"
	serverPEM     = "server.pem" // key and certificate, as Kafka wants them: in one file
	clientCertPEM = "client.pem"
	clientKeyPEM  = "client-key.pem"
)

// authority signs the certificates of one broker and its clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// writeCertificates makes an authority and what it signs, in files below dir.
func writeCertificates(dir string) error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	server := template(2, "broker")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	serverCert, serverKey, err := ca.issue(server)
	if err != nil {
		return err
	}
	client := template(3, "tributary")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	clientCert, clientKey, err := ca.issue(client)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		caPEM:         pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}),
		serverPEM:     bytes.Join([][]byte{serverKey, serverCert}, nil),
		clientCertPEM: clientCert,
		clientKeyPEM:  clientKey,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func template(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		// An hour back: the clock of a virtual machine may step while a test runs.
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().Add(24 * time.Hour),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
}

func newAuthority() (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	t := template(1, "kafkatest")
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return authority{cert: cert, key: key}, err
}

// issue returns certificate and key as PEM, the key in PKCS #8: Kafka reads no other.
func (a authority) issue(t *x509.Certificate) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, k.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// CAFile returns the PEM file of the authority that signed the broker's certificate.
// It is there with [TLS] and [MutualTLS].
func (b *Broker) CAFile() string { return filepath.Join(b.dir, caPEM) }

// ClientCertFiles returns the PEM files of a client's certificate and its key, signed
// by the same authority.
func (b *Broker) ClientCertFiles() (cert, key string) {
	return filepath.Join(b.dir, clientCertPEM), filepath.Join(b.dir, clientKeyPEM)
}

// TLSConfig returns what a Go client needs to reach a broker of [TLS] or [MutualTLS],
// the client's certificate included.
func (b *Broker) TLSConfig() (*tls.Config, error) {
	ca, err := os.ReadFile(b.CAFile())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	cert, err := tls.LoadX509KeyPair(b.ClientCertFiles())
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}, nil
}
