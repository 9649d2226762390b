package mailweir

import (
	"encoding/binary"
	"iter"
	"unsafe"
)

// How values lie in memory (canonical ABI): little-endian, each at a multiple of its alignment, which is 4 at most here. A string or
// list is address and length; an option, a result or a variant is an octet that says which, and the value at the next
// multiple of 4.

//go:wasmimport mailweir:filter/mail@0.1.0 [method]message.sender
func messageSender(message int32, answer uint32)

//go:wasmimport mailweir:filter/mail@0.1.0 [method]message.recipients
func messageRecipients(message int32, answer uint32)

//go:wasmimport mailweir:filter/mail@0.1.0 [method]message.client
func messageClient(message int32, answer uint32)

//go:wasmimport mailweir:filter/mail@0.1.0 [method]message.fields
func messageFields(message int32, names uint32, count int32, answer uint32)

//go:wasmimport mailweir:filter/mail@0.1.0 [method]message.read-body
func messageReadBody(message int32, offset int64, length int32, answer uint32)

//go:wasmimport mailweir:filter/mail@0.1.0 [resource-drop]message
func messageDrop(message int32)

//go:wasmimport mailweir:filter/tables@0.1.0 granted
func tablesGranted(answer uint32)

//go:wasmimport mailweir:filter/tables@0.1.0 lookup
func tablesLookup(tables uint32, tableCount int32, keys uint32, keyCount int32, answer uint32)

//go:wasmimport mailweir:filter/explain@0.1.0 wanted
func explainWanted() int32

var exported Filter

// kept holds on to what the other side of a call reads or has written, until the next call.
var kept []block

// answer is where the relay puts what it answers.
var answer = make(block, 64)

//go:wasmexport mailweir:filter/configuration@0.1.0#configure
func configure(config uint32, length uint32) uint32 {
	mistakes := exported.Configure([]byte(at(config, length).string()))
	list := newBlock(16 * len(mistakes))
	for i, mistake := range mistakes {
		list.putText(16*i, mistake.Path)
		list.putText(16*i+8, mistake.Message)
	}
	result := newBlock(12)
	result.putBool(0, len(mistakes) > 0)
	result.putList(4, list, len(mistakes))
	return result.address()
}

//go:wasmexport mailweir:filter/message@0.1.0#filter
func filter(message int32) uint32 {
	kept = kept[:0]
	outcome, err := exported.Filter(Message{message})
	messageDrop(message)
	result := newBlock(52)
	if err != nil {
		result.putBool(0, true)
		result.putText(4, err.Error())
		return result.address()
	}
	if outcome.Verdict != nil {
		outcome.Verdict.put(result[4:])
	}
	result.putMaybe(32, outcome.Reason)
	edits := newBlock(40 * len(outcome.Edits))
	for i, edit := range outcome.Edits {
		edit.Change.put(edits[40*i:])
		edits.putMaybe(40*i+28, edit.Reason)
	}
	result.putList(44, edits, len(outcome.Edits))
	return result.address()
}

//go:wasmexport cabi_realloc
func realloc(old uint32, oldLength uint32, alignment uint32, length uint32) uint32 {
	space := newBlock(int(length))
	copy(space, at(old, oldLength))
	return space.address()
}

func (Accept) put(at block)    { at[0] = 1 }
func (v Reject) put(at block)  { at[0] = 2; at[4:].putReply(Reply(v)) }
func (v Defer) put(at block)   { at[0] = 3; at[4:].putReply(Reply(v)) }
func (v Discard) put(at block) { at[0] = 4; at.putText(4, string(v)) }
func (v Hold) put(at block)    { at[0] = 5; at.putText(4, string(v)) }

func (c SetSender) put(at block) {
	at[0] = 0
	at.putMaybe(4, string(c))
}
func (c AddRecipient) put(at block)    { at[0] = 1; at.putText(4, string(c)) }
func (c RemoveRecipient) put(at block) { at[0] = 2; at.putWord(4, uint32(c)) }
func (c ReplaceRecipient) put(at block) {
	at[0] = 3
	at.putWord(4, c.Index)
	at.putText(8, c.Address)
}
func (c AppendField) put(at block) {
	at[0] = 4
	at[4] = 1 // at the bottom
	at.putText(12, c.Name)
	at.putText(20, " "+c.Value)
}
func (c ReplaceField) put(at block) {
	at[0] = 5
	at.putWord(4, c.Index)
	at.putText(8, string(c.Value))
}
func (c RemoveField) put(at block) { at[0] = 6; at.putWord(4, uint32(c)) }

// block is memory that both sides see.
type block []byte

// newBlock is a block that stays until the next call; it has an address even if it is empty.
func newBlock(size int) block {
	made := make(block, size, size+8)
	kept = append(kept, made)
	return made
}

func at(address uint32, length uint32) block {
	return unsafe.Slice((*byte)(unsafe.Pointer(uintptr(address))), length)
}

func (b block) address() uint32          { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
func (b block) string() string           { return string(b) }
func (b block) octet(offset int) byte    { return b[offset] }
func (b block) word(offset int) uint32   { return binary.LittleEndian.Uint32(b[offset:]) }
func (b block) text(offset int) string   { return at(b.word(offset), b.word(offset+4)).string() }
func (b block) putWord(o int, w uint32)  { binary.LittleEndian.PutUint32(b[o:], w) }
func (b block) putBool(o int, value bool) {
	if value {
		b[o] = 1
	}
}

func (b block) maybe(offset int) string {
	if b.octet(offset) == 0 {
		return ""
	}
	return b.text(offset + 4)
}

// list goes through the list whose address stands at the offset, by items of this size.
func (b block) list(offset int, size uint32) iter.Seq[block] {
	start, count := b.word(offset), b.word(offset+4)
	return func(yield func(block) bool) {
		for i := uint32(0); i < count; i++ {
			if !yield(at(start+i*size, size)) {
				return
			}
		}
	}
}

func (b block) putList(offset int, items block, count int) {
	b.putWord(offset, items.address())
	b.putWord(offset+4, uint32(count))
}

func (b block) putText(offset int, text string) {
	copied := newBlock(len(text))
	copy(copied, text)
	b.putList(offset, copied, len(text))
}

func (b block) putMaybe(offset int, text string) {
	b.putBool(offset, text != "")
	b.putText(offset+4, text)
}

func (b block) putReply(reply Reply) {
	binary.LittleEndian.PutUint16(b, reply.Code)
	b.putMaybe(4, reply.Enhanced)
	b.putText(16, reply.Text)
}
