// Marks messages that come from outside: a text before the Subject, and a field of its own.
package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"example.com/filters/mailweir"
)

// filter keeps the stage's config.
type filter struct {
	Text    string   `json:"text"`
	Domains []string `json:"domains"`
}

func init() { mailweir.Export(&filter{Text: "[EXTERNAL]"}) }

func main() {}

func (f *filter) Configure(config []byte) []mailweir.ConfigError {
	mistakes := mailweir.Unknown(config, "text", "domains")
	if err := json.Unmarshal(config, f); err != nil {
		path := ""
		if wrong, ok := err.(*json.UnmarshalTypeError); ok {
			path = wrong.Field
		}
		return append(mistakes, mailweir.ConfigError{Path: path, Message: err.Error()})
	}
	notPrintable := func(c rune) bool { return c < ' ' || c > '~' }
	if f.Text == "" || strings.ContainsFunc(f.Text, notPrintable) {
		mistakes = append(mistakes, mailweir.ConfigError{Path: "text", Message: "it must be printable US-ASCII and not empty"})
	}
	return mistakes
}

func (f *filter) Filter(message mailweir.Message) (outcome mailweir.Outcome, err error) {
	if message.Client().Trusted {
		outcome.Reason = mailweir.Because("the client is trusted")
		return outcome, nil
	}
	if sender := message.Sender(); f.isOurs(sender[strings.LastIndexByte(sender, '@')+1:]) {
		outcome.Reason = mailweir.Because("the sender's domain is ours")
		return outcome, nil
	}
	subjects := message.Fields("Subject")
	if len(subjects) == 0 {
		outcome.Edits = append(outcome.Edits, mailweir.Edit{Change: mailweir.AppendField{Name: "Subject", Value: f.Text}})
	} else if subject := subjects[0]; !bytes.Contains(subject.Value, []byte(f.Text)) {
		value := append([]byte(" "+f.Text), subject.Value...)
		change := mailweir.ReplaceField{Index: subject.Index, Value: value}
		reason := mailweir.Because("the message is external")
		outcome.Edits = append(outcome.Edits, mailweir.Edit{Change: change, Reason: reason})
	}
	outcome.Edits = append(outcome.Edits, mailweir.Edit{Change: mailweir.AppendField{Name: "X-External", Value: "yes"}})
	return outcome, nil
}

// isOurs says whether the domain is one of ours or below one.
func (f *filter) isOurs(domain string) bool {
	below := "." + strings.ToLower(domain)
	for _, own := range f.Domains {
		if strings.HasSuffix(below, "."+strings.ToLower(own)) {
			return true
		}
	}
	return false
}
