package sign_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/sign"
)

// A platform signs a time and the body. Its definition has the scheme as its Signature.
func ExampleHMAC() {
	scheme := sign.HMAC{
		Header: "X-Parrot-Signature", Prefix: "v0=", Secret: "signingSecret",
		Over: sign.TimestampAndBody{Header: "X-Parrot-Time", Before: "v0:", Between: ":"},
	}
	w := &integration.Webhook{
		RawBody: []byte(`{"text":"hello"}`), Timestamp: time.Unix(1_800_000_000, 0),
		Channel: &integration.Channel{Credentials: map[string]string{"signingSecret": "made-up"}},
	}
	fmt.Println(scheme.Sign(w, w.Timestamp), w.Headers.Get("X-Parrot-Time"))
	fmt.Println(scheme.ValidateSignature(context.Background(), w))

	w.RawBody = []byte(`{"text":"forged"}`)
	fmt.Println(scheme.ValidateSignature(context.Background(), w))
	// Output:
	// <nil> 1800000000
	// <nil>
	// the header X-Parrot-Signature must hold the signature under the channel's signingSecret (SIGNATURE_INVALID)
}
