// Package mailweir is the contract of wit/ for filters for [[message]] and [[delivery]] in Go. It is written by hand: what
// wit-bindgen makes for Go needs a compiler or modules that the registries don't have. Values lie in memory as the canonical ABI
// of the component model has it (see abi.go). What is not here yet (new bodies, files, [[session]]) goes the same way.
package mailweir

import (
	"encoding/json"
	"errors"
)

// Filter is what a plugin exports.
type Filter interface {
	// Configure is called once, at start, with the stage's config as JSON. What it keeps is what every message finds.
	Configure(config []byte) []ConfigError
	// Filter decides about one message. After an error the stage's on-error says what becomes of the message.
	Filter(message Message) (Outcome, error)
}

// Export makes a plugin of a filter; call it in init.
func Export(filter Filter) { exported = filter }

// ConfigError is a mistake in the stage's config.
type ConfigError struct {
	// Path is the key: "domains", "rules[2].pattern"; empty for the config as a whole.
	Path string
	// Message is what is wrong and what would be right.
	Message string
}

// Unknown has a mistake for each key of the config that is none of these.
func Unknown(config []byte, known ...string) (mistakes []ConfigError) {
	var keys map[string]json.RawMessage
	if json.Unmarshal(config, &keys) != nil {
		return []ConfigError{{"", "this is no object"}}
	}
	for _, key := range known {
		delete(keys, key)
	}
	for key := range keys {
		mistakes = append(mistakes, ConfigError{key, "unknown key"})
	}
	return mistakes
}

// Client is the other end of the connection that the message came on. Of what is not known the text is empty.
type Client struct {
	Address                string
	Port                   uint16
	Name, Helo, TLS, Login string
	Trusted                bool
}

// Field is a header field; Value is all after the colon, without the last line end.
type Field struct {
	Index uint32
	Name  string
	Value []byte
}

// Message is what the filter is asked about; to change it, answer with edits.
type Message struct{ handle int32 }

// Sender is the reverse-path; empty for the null sender.
func (m Message) Sender() string {
	messageSender(m.handle, answer.address())
	if answer.octet(0) == 0 {
		return ""
	}
	return answer.text(4)
}

// Recipients are all recipients, in order.
func (m Message) Recipients() (recipients []string) {
	messageRecipients(m.handle, answer.address())
	for item := range answer.list(0, 8) {
		recipients = append(recipients, item.text(0))
	}
	return recipients
}

// Client is where the message came from.
func (m Message) Client() Client {
	messageClient(m.handle, answer.address())
	return Client{
		Address: answer.text(0),
		Port:    uint16(answer.octet(8)) | uint16(answer.octet(9))<<8,
		Name:    answer.maybe(12),
		Helo:    answer.maybe(24),
		TLS:     answer.maybe(36),
		Login:   answer.maybe(48),
		Trusted: answer.octet(60) != 0,
	}
}

// Fields are the fields with one of these names, without regard to case; all fields if there are no names.
func (m Message) Fields(names ...string) (fields []Field) {
	list := newBlock(8 * len(names))
	for i, name := range names {
		list.putText(8*i, name)
	}
	messageFields(m.handle, list.address(), int32(len(names)), answer.address())
	for item := range answer.list(0, 20) {
		fields = append(fields, Field{item.word(0), item.text(4), []byte(item.text(12))})
	}
	return fields
}

// ReadBody is up to length octets of the body from offset; none past its end. One call gives 65,536 at most.
func (m Message) ReadBody(offset uint64, length uint32) []byte {
	messageReadBody(m.handle, int64(offset), int32(length), answer.address())
	return []byte(answer.text(0))
}

// Key is something to look for in tables; Partial says that it is only a part of that.
type Key struct {
	Text    string
	Partial bool
}

// Granted are the names of the tables that the stage may ask.
func Granted() (names []string) {
	tablesGranted(answer.address())
	for item := range answer.list(0, 8) {
		names = append(names, item.text(0))
	}
	return names
}

// Lookup is the value of the first key that is in the table. An error means that this isn't known: fail with it.
func Lookup(table string, keys ...Key) (value string, found bool, err error) {
	tables, list := newBlock(8), newBlock(12*len(keys))
	tables.putText(0, table)
	for i, key := range keys {
		list.putText(12*i, key.Text)
		list.putBool(12*i+8, key.Partial)
	}
	tablesLookup(tables.address(), 1, list.address(), int32(len(keys)), answer.address())
	if answer.octet(0) != 0 {
		return "", false, errors.New(answer.text(4))
	}
	if answer.octet(4) == 0 {
		return "", false, nil
	}
	return answer.text(16), true, nil
}

// Because is a reason, if somebody wants to know.
func Because(reason string) string {
	if explainWanted() == 0 {
		return ""
	}
	return reason
}

// Outcome is the filter's answer; the zero value is: go on.
type Outcome struct {
	Verdict Verdict
	Reason  string
	Edits   []Edit
}

// Verdict is what is to become of the message.
type Verdict interface{ put(at block) }

type (
	// Accept skips the later stages of the list.
	Accept struct{}
	// Reject refuses for good: 500 to 559.
	Reject Reply
	// Defer refuses for now: 400 to 459.
	Defer Reply
	// Discard takes the message and forgets it; the text is the reason.
	Discard string
	// Hold takes the message and keeps it; the text is the reason.
	Hold string
)

// Reply is an SMTP reply: code, enhanced code such as "5.7.1", one line of text.
type Reply struct {
	Code           uint16
	Enhanced, Text string
}

// Edit is one change, and why.
type Edit struct {
	Change Change
	Reason string
}

// Change is one of the types below. Indices count what the filter saw, whatever other edits do.
type Change interface{ put(at block) }

type (
	// SetSender replaces the reverse-path; empty for the null sender.
	SetSender string
	// AddRecipient adds a recipient.
	AddRecipient string
	// RemoveRecipient removes the recipient with this index.
	RemoveRecipient uint32
	// ReplaceRecipient replaces the address of the recipient with this index.
	ReplaceRecipient struct {
		Index   uint32
		Address string
	}
	// AppendField puts a field below all others; a blank is put before the value.
	AppendField struct{ Name, Value string }
	// ReplaceField replaces the raw value of the field with this index.
	ReplaceField struct {
		Index uint32
		Value []byte
	}
	// RemoveField removes the field with this index.
	RemoveField uint32
)
