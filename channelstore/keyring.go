package channelstore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// keySize is the size of an AES-256 key, in bytes.
const keySize = 32

var keyID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// Keyring holds the keys for channels: the first one seals, all of them open. To change the key, add the new one at the
// end on every node, then move it to the front, then run Rotate, and then remove the old one. Printed in any way, a
// keyring shows only the ids. Immutable.
type Keyring struct{ keys []key }

type key struct {
	id   string
	aead cipher.AEAD // of a random 96-bit nonce, which stands before the sealed bytes
}

// ParseKeys parses texts of the form "id:base64 of 32 bytes", as [GenerateKey] returns them. The error joins all faults
// and quotes none of the texts.
func ParseKeys(texts []string) (*Keyring, error) {
	if len(texts) == 0 {
		return nil, errors.New("there is no key")
	}
	k := &Keyring{}
	var faults []error
	for i, text := range texts {
		next, err := parseKey(strings.TrimSpace(text))
		if err == nil && k.find(next.id) != nil {
			err = fmt.Errorf("there is another key %s before it", next.id)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("key %d: %w", i+1, err))
			continue
		}
		k.keys = append(k.keys, next)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return k, nil
}

func parseKey(text string) (key, error) {
	id, encoded, ok := strings.Cut(text, ":")
	if !ok || !keyID.MatchString(id) {
		return key{}, errors.New("must begin with an id of 1 to 32 letters, digits, _ and - and a colon")
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return key{}, fmt.Errorf("what follows %s: is not base64", id) // the decoder's error would tell where
	}
	if len(secret) != keySize {
		return key{}, fmt.Errorf("%s has %d bytes, not %d", id, len(secret), keySize)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return key{id, aead}, err
}

// GenerateKey returns a new key in the form that [ParseKeys] takes. Its error is about the id.
func GenerateKey(id string) (string, error) {
	if !keyID.MatchString(id) {
		return "", errors.New("the id of a key has 1 to 32 letters, digits, _ and -")
	}
	secret := make([]byte, keySize)
	rand.Read(secret)
	return id + ":" + base64.StdEncoding.EncodeToString(secret), nil
}

// KeyFile returns the keys of a file with one key a line. A missing file is created with a new key, and so is its
// folder. Only their owner may read them. If several processes call it at once, one creates the file for all.
func KeyFile(path string) (*Keyring, error) {
	data, err := os.ReadFile(path) // #nosec G304 -- the operator names the file
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKeyFile(path); err != nil {
			return nil, err
		}
		data, err = os.ReadFile(path) // #nosec G304 -- as above; another process may have made it
	}
	if err != nil {
		return nil, err
	}
	keys, err := ParseKeys(strings.Fields(string(data)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// makeKeyFile writes a temporary file and links it to path, so that nobody reads half a key and no key is replaced.
func makeKeyFile(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text, err := GenerateKey("file-" + rand.Text()[:8]) // no two files have the same id, so that a wrong file is noticed
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".key-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = file.WriteString(text + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err = os.Link(file.Name(), path); errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// find returns the key of an id, nil when there is none.
func (k *Keyring) find(id string) *key {
	if i := slices.IndexFunc(k.keys, func(one key) bool { return one.id == id }); i >= 0 {
		return &k.keys[i]
	}
	return nil
}

// first returns the key for sealing.
func (k *Keyring) first() *key { return &k.keys[0] }

// IDs returns the ids of the keys. The first key seals.
func (k Keyring) IDs() []string {
	ids := make([]string, len(k.keys))
	for i, one := range k.keys {
		ids[i] = one.id
	}
	return ids
}

// String implements fmt.Stringer.
func (k Keyring) String() string { return "keys " + strings.Join(k.IDs(), ", ") }

// Format implements fmt.Formatter: no verb shows a key.
func (k Keyring) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML.
func (k Keyring) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
