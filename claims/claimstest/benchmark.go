package claimstest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Benchmark measures Claim and Done for one key and for twenty, as a webhook may have, and Claim of a repeated webhook.
func Benchmark(b *testing.B, h Harness) {
	for _, size := range []int{1, 20} {
		b.Run(fmt.Sprintf("claim and done of %d", size), func(b *testing.B) {
			store := h.New(b)()
			require.NoError(b, store.Check(b.Context()))
			batch := make([]string, size)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				for i := range batch {
					batch[i] = fmt.Sprintf("whatsapp:15550001:wamid.%d.%d", n, i)
				}
				list, err := store.Claim(b.Context(), terms, batch...)
				if err == nil {
					err = store.Done(b.Context(), nil, list...)
				}
				require.NoError(b, err)
			}
		})
		b.Run(fmt.Sprintf("repeated claim of %d", size), func(b *testing.B) {
			store := h.New(b)()
			batch := numbered(size)
			list, err := store.Claim(b.Context(), terms, batch...)
			require.NoError(b, err)
			require.NoError(b, store.Done(b.Context(), nil, list...))
			b.ReportAllocs()
			for b.Loop() {
				_, err := store.Claim(b.Context(), terms, batch...)
				require.NoError(b, err)
			}
		})
	}
}
