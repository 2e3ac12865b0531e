package claims

import (
	"context"
	"errors"
)

// LoseAnswers makes a store carry out what it is asked n times more without its answers arriving.
func (m *Memory) LoseAnswers(n int) { m.backend = &deaf{m.backend, n} }

type deaf struct {
	backend
	n int
}

func (d *deaf) apply(ctx context.Context, changes []*change) {
	d.backend.apply(ctx, changes)
	if d.n == 0 {
		return
	}
	d.n--
	for _, c := range changes {
		c.made, c.found, c.err = false, entry{}, errors.New("the answer is lost")
	}
}
