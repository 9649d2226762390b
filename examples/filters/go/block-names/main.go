// Refuses messages with attachments whose names a table lists.
package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"example.com/filters/mailweir"
)

const (
	// longestField is how many octets of one field, or of one line of the body, are looked at.
	longestField = 8192
	largestPiece = 65536
)

// filter keeps the stage's config.
type filter struct {
	Table string `json:"table"`
}

func init() { mailweir.Export(&filter{}) }

func main() {}

func (f *filter) Configure(config []byte) []mailweir.ConfigError {
	mistakes := mailweir.Unknown(config, "table")
	if json.Unmarshal(config, f) != nil {
		return append(mistakes, mailweir.ConfigError{Path: "table", Message: "this must be the name of a table"})
	}
	if f.Table == "" {
		mistakes = append(mistakes, mailweir.ConfigError{Message: "`table` is missing"})
	} else if !slices.Contains(mailweir.Granted(), f.Table) {
		mistakes = append(mistakes, mailweir.ConfigError{Path: "table", Message: "there is no such table in [tables]"})
	}
	return mistakes
}

func (f *filter) Filter(message mailweir.Message) (outcome mailweir.Outcome, err error) {
	for _, name := range names(message) {
		keys := []mailweir.Key{{Text: name}}
		if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
			keys = append(keys, mailweir.Key{Text: name[dot:], Partial: true})
		}
		text, found, err := mailweir.Lookup(f.Table, keys...)
		if err != nil {
			return outcome, err
		}
		if found {
			outcome.Verdict = mailweir.Reject{Code: 550, Enhanced: "5.7.1", Text: name + ": " + text}
			outcome.Reason = mailweir.Because("an attachment's name is listed")
			return outcome, nil
		}
	}
	return outcome, nil
}

// names are those of all attachments: of the message itself and of its parts, however deep they are.
func names(message mailweir.Message) []string {
	var s scan
	for _, field := range message.Fields("Content-Disposition", "Content-Type") {
		s.field(field.Value)
	}
	for offset := uint64(0); ; {
		piece := message.ReadBody(offset, largestPiece)
		if len(piece) == 0 {
			break
		}
		offset += uint64(len(piece))
		s.body(piece)
	}
	// The last line may have no end; then nothing follows, which ends the field that is open.
	s.takeLine()
	s.takeLine()
	return s.names
}

// scan looks through a body that comes in pieces.
type scan struct {
	// The line so far.
	line []byte
	// The value so far of the field that the lines before began.
	open  []byte
	names []string
}

func (s *scan) body(piece []byte) {
	for _, part := range bytes.SplitAfter(piece, []byte("\n")) {
		room := longestField - len(s.line)
		s.line = append(s.line, part[:min(len(part), room)]...)
		if bytes.HasSuffix(part, []byte("\n")) {
			s.takeLine()
		}
	}
}

// takeLine: a line is the rest of an open field, or the beginning of one, or neither.
func (s *scan) takeLine() {
	line := s.line
	s.line = nil
	if s.open != nil && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		if len(s.open)+len(line) <= longestField {
			s.open = append(s.open, line...)
		}
		return
	}
	if s.open != nil {
		s.field(s.open)
	}
	s.open = nil
	for _, name := range []string{"content-disposition:", "content-type:"} {
		if len(line) >= len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			s.open = line[len(name):]
		}
	}
}

// field takes the parameters filename and name of a field (RFC 2045 5.1, RFC 2183 2.3).
func (s *scan) field(value []byte) {
	for _, parameter := range parameters(value) {
		attribute, value, _ := strings.Cut(parameter, "=")
		if attribute = strings.Trim(attribute, " \t"); attribute == "filename" || attribute == "name" {
			s.names = append(s.names, strings.Trim(value, " \t"))
		}
	}
}

// parameters are what stands between the semicolons of a value, in lower case, without quotes and folding. Octets that are no printable
// US-ASCII become a question mark.
func parameters(value []byte) []string {
	found := []string{""}
	quoted, escaped := false, false
	for _, octet := range value {
		if octet == '\r' || octet == '\n' {
			continue
		}
		if octet == '\\' && quoted && !escaped {
			escaped = true
			continue
		}
		switch {
		case octet == '"' && !escaped:
			quoted = !quoted
		case octet == ';' && !quoted:
			found = append(found, "")
		case (octet < ' ' || octet > '~') && octet != '\t':
			found[len(found)-1] += "?"
		default:
			found[len(found)-1] += strings.ToLower(string(octet))
		}
		escaped = false
	}
	return found
}
