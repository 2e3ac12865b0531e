package channelstore

import "github.com/hiliosai/switchboard/integration"

// Open opens sealed bytes as those of a channel's record.
func (k *Keyring) Open(ch *integration.Channel, keyID string, sealed []byte) (*integration.Channel, error) {
	return k.open(
		&record{
			id: ch.ID, tenantID: ch.TenantID, platform: ch.Platform, name: ch.Name, status: ch.Status, keyID: keyID,
			sealed: sealed,
		},
	)
}

// Seal returns the sealed bytes of a channel.
func (k *Keyring) Seal(ch *integration.Channel) ([]byte, error) {
	r, err := k.seal(ch)
	if err != nil {
		return nil, err
	}
	return r.sealed, nil
}

// SealBytes returns bytes sealed as the content of a channel.
func (k *Keyring) SealBytes(ch *integration.Channel, plain []byte) []byte {
	r := &record{id: ch.ID, tenantID: ch.TenantID, platform: ch.Platform}
	k.sealBytes(r, plain)
	return r.sealed
}

// DecodeAnswer is what Action makes of an answer.
var DecodeAnswer = decodeAnswer

// Keys returns the keys in use.
func (d *Database) Keys() *Keyring { return d.ring() }
