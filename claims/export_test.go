package claims

import (
	"context"
	"errors"
)

// LoseAnswers makes a store carry out what it is asked n times more without its answers arriving.
func (m *Memory) LoseAnswers(n int) { m.backend = &deaf{m.backend, n} }

type deaf struct {
	Backend
	n int
}

func (d *deaf) Apply(ctx context.Context, changes []*Change) {
	d.Backend.Apply(ctx, changes)
	if d.n == 0 {
		return
	}
	d.n--
	for _, c := range changes {
		c.Made, c.Found, c.Err = false, Entry{}, errors.New("the answer is lost")
	}
}
