package reservation

import "context"

// recalled is a reservation that a request has made before; its text is empty when there is none.
type recalled struct{ core, text string }

// recallMost bounds the records that one script call reads.
const recallMost = 1000

// recall looks whether the request has made a reservation before, under the present secret or a former
// one, and returns its record. The request goes on under the core that was found.
func (s *Stock) recall(ctx context.Context, one *ask) (text string, err error) {
	found, err := s.recalls.Do(ctx, append([]string{one.core}, one.former...))
	if err != nil {
		return "", waited("reserve", err)
	}
	if found.text != "" {
		one.core = found.core
	}
	return found.text, nil
}

// runRecall decides a batch with as few script calls as the number of cores allows.
func (s *Stock) runRecall(ctx context.Context, asked [][]string) ([]recalled, error) {
	out := make([]recalled, len(asked))
	var cores []string
	var owners []int // of each core, the index of its request
	for i, mine := range asked {
		for _, core := range mine {
			cores, owners = append(cores, core), append(owners, i)
		}
		if len(cores) < recallMost && i < len(asked)-1 {
			continue
		}
		texts, err := s.readRecords(ctx, cores)
		if err != nil {
			return nil, err
		}
		for k, text := range texts {
			if one := &out[owners[k]]; text != "" && one.text == "" {
				one.core, one.text = cores[k], text
			}
		}
		cores, owners = cores[:0], owners[:0]
	}
	return out, nil
}

// readRecords reads the records of cores, "" for those that do not exist.
func (s *Stock) readRecords(ctx context.Context, cores []string) ([]string, error) {
	p := s.plan.Load()
	keys := append(make([]string, 0, 1+len(cores)), s.keys.stock)
	for _, core := range cores {
		keys = append(keys, p.records+core)
	}
	answer, err := recallScript.Exec(ctx, s.deps.Redis, keys, []string{p.epoch}).ToArray()
	if err != nil {
		return nil, s.failed("recall", err)
	}
	if len(answer) == 0 {
		return nil, errAnswer
	}
	if whole, err := answer[0].AsInt64(); err != nil || whole != answerOK || len(answer) != 2 {
		return nil, s.refused(whole)
	}
	texts, err := answer[1].AsStrSlice()
	if err == nil && len(texts) != len(cores) {
		err = errAnswer
	}
	return texts, err
}
