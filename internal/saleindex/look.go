package saleindex

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"
)

// Report is what a node says while it looks.
type Report struct {
	// Busy are the sales in which something happens on this node.
	Busy []string
	// Ask asks the leader to look for what is to be done.
	Ask bool
}

// View is what one look shows.
type View struct {
	NowMillis int64
	// Mark names the moment at which the list was last said to be complete; "" while it is not. A new
	// mark means that the sales may have been lost with the list, however soon it was complete again.
	Mark string
	// Change names the state of the list, for the next look.
	Change string
	// Asked counts how often the leader was asked to look.
	Asked int64
	// Editions are the listed sales; nil when the list is as the caller knows it.
	Editions map[string]Edition
	// Busy are the sales in which something has happened on any node within [BusyFor].
	Busy []string
}

// Complete is false while Redis may lack sales that the ledger has: a sale that is not listed may then
// exist all the same.
func (v *View) Complete() bool { return v.Mark != "" }

var errView = errors.New("the answer of the index cannot be read")

// Look reads what has changed since the state of the list that known names ("" for none). It costs
// one script call.
func (x *Index) Look(ctx context.Context, known string, report Report) (View, error) {
	ask := "0"
	if report.Ask {
		ask = "1"
	}
	args := append([]string{known, strconv.FormatInt(BusyFor.Milliseconds(), 10), ask}, report.Busy...)
	parts, err := indexLookScript.Exec(ctx, x.client, []string{indexKey, busyKey}, args).ToArray()
	if err != nil {
		return View{}, fmt.Errorf("look at the list of sales: %w", err)
	}
	if len(parts) != 6 {
		return View{}, errView
	}
	return readView(parts, known)
}

func readView(parts []rueidis.RedisMessage, known string) (View, error) {
	var head [4]string
	for i := range head {
		text, err := parts[i].ToString()
		if err != nil {
			return View{}, fmt.Errorf("%w: %w", errView, err)
		}
		head[i] = text
	}
	now, errNow := strconv.ParseInt(head[0], 10, 64)
	asked, errAsked := strconv.ParseInt(head[3], 10, 64)
	list, errList := parts[4].AsStrSlice()
	busy, errBusy := parts[5].AsStrSlice()
	if err := errors.Join(errNow, errAsked, errList, errBusy); err != nil {
		return View{}, fmt.Errorf("%w: %w", errView, err)
	}
	view := View{NowMillis: now, Mark: head[1], Change: head[2], Asked: asked, Busy: busy}
	if view.Change == known {
		return view, nil
	}
	view.Editions = make(map[string]Edition, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		if list[i][0] != ':' { // the marks, which no sale's id can be
			view.Editions[list[i]] = parseEdition(list[i+1])
		}
	}
	return view, nil
}
