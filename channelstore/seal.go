package channelstore

import (
	"encoding/binary"
	"encoding/json"

	"github.com/hiliosai/switchboard/integration"
)

// content is the sealed part of a channel, as JSON. Settings are part of it because only the platforms know which of
// them are secret.
type content struct {
	Credentials map[string]string `json:"credentials"`
	Settings    map[string]string `json:"settings"`
}

// record is a channel in a database.
type record struct {
	id, tenantID, platform, name, status string
	keyID                                string
	sealed                               []byte // nonce, AES-256-GCM of the content, tag
}

// seal returns the record of a channel, sealed with the first key. The sealed bytes differ each time.
func (k *Keyring) seal(ch *integration.Channel) (*record, error) {
	plain, err := json.Marshal(content{nonNil(ch.Credentials), nonNil(ch.Settings)})
	if err != nil {
		return nil, err
	}
	r := &record{id: ch.ID, tenantID: ch.TenantID, platform: ch.Platform, name: ch.Name, status: ch.Status}
	k.sealBytes(r, plain)
	return r, nil
}

// sealBytes puts plain into r, sealed with the first key.
func (k *Keyring) sealBytes(r *record, plain []byte) {
	first := k.first()
	r.keyID = first.id
	r.sealed = first.aead.Seal(nil, nil, plain, r.bound()) // #nosec G407 -- this AEAD makes the nonce itself
}

// open returns the channel of a record. The error is a *SealedError; the channel then has no credentials and settings.
func (k *Keyring) open(r *record) (*integration.Channel, error) {
	ch := &integration.Channel{ID: r.id, TenantID: r.tenantID, Platform: r.platform, Name: r.name, Status: r.status}
	plain, err := k.openBytes(r)
	if err != nil {
		return ch, err
	}
	var c content
	if json.Unmarshal(plain, &c) != nil { // its error might quote the content
		return ch, r.fault("but what it holds is damaged")
	}
	ch.Credentials, ch.Settings = nonNil(c.Credentials), nonNil(c.Settings)
	return ch, nil
}

func (k *Keyring) openBytes(r *record) ([]byte, error) {
	found := k.find(r.keyID)
	if found == nil {
		return nil, r.fault("which is not configured")
	}
	plain, err := found.aead.Open(nil, nil, r.sealed, r.bound())
	if err != nil {
		return nil, r.fault("which does not open it: the key is another of that id, or the record was changed")
	}
	return plain, nil
}

func (r *record) fault(reason string) error { return &SealedError{r.id, r.keyID, reason} }

// bound returns the additional data of the seal. It ties the content to its record, so that a copy in the record of
// another channel or tenant cannot be opened. Lengths keep the parts apart.
func (r *record) bound() []byte {
	data := []byte("switchboard channel v1")
	for _, part := range []string{r.id, r.tenantID, r.platform} {
		data = append(binary.AppendUvarint(data, uint64(len(part))), part...)
	}
	return data
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
