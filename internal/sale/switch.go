package sale

import (
	"encoding/json"
	"errors"
)

// Switch is true unless a document says false: its zero value is true.
type Switch struct{ off bool }

// Off is the switch that says false.
func Off() Switch { return Switch{off: true} }

// On reports what the switch says.
func (s Switch) On() bool { return !s.off }

// MarshalJSON writes true or false.
func (s Switch) MarshalJSON() ([]byte, error) { return json.Marshal(s.On()) }

// UnmarshalJSON reads true or false; null leaves the switch as it is.
func (s *Switch) UnmarshalJSON(data []byte) error {
	on := s.On()
	if err := json.Unmarshal(data, &on); err != nil {
		return errors.New("a switch is true or false, not " + string(data))
	}
	s.off = !on
	return nil
}
