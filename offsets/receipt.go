package offsets

import (
	"encoding/hex"
	"fmt"

	"tributary/connector"
)

type receiptJSON struct {
	V       int         `json:"v"`
	Instant instantText `json:"instant"`
	Print   uint16      `json:"print"`
	Hash    string      `json:"hash"`
}

func encodeReceipt(r connector.Receipt) []byte { return mustJSON(toReceiptJSON(r)) }

func toReceiptJSON(r connector.Receipt) receiptJSON {
	return receiptJSON{V: 1, Instant: instantText(r.Instant), Print: r.Print, Hash: r.Hash.String()}
}

func decodeReceipt(v []byte) (connector.Receipt, error) {
	var j receiptJSON
	if err := strictJSON(v, &j); err != nil {
		return connector.Receipt{}, err
	}
	return fromReceiptJSON(j)
}

func fromReceiptJSON(j receiptJSON) (connector.Receipt, error) {
	r := connector.Receipt{Instant: connector.Instant(j.Instant), Print: j.Print}
	hash, err := hex.DecodeString(j.Hash)
	if err != nil || len(hash) != len(r.Hash) {
		return r, fmt.Errorf("hash %.80q is not %d hexadecimal digits", j.Hash, 2*len(r.Hash))
	}
	copy(r.Hash[:], hash)
	return r, nil
}

func (c *Collection) applyReceipt(key string, value []byte) error {
	if value == nil {
		delete(c.Memory.Receipts, key)
		return nil
	}
	r, err := decodeReceipt(value)
	if err != nil {
		return fmt.Errorf("receipt of %q: %w", key, err)
	}
	c.Memory.Receipts[key] = r
	return nil
}

type receiptOfJSON struct {
	Key string `json:"key"`
	receiptJSON
}

func (d *importer) receipt(c *Collection) error {
	var j receiptOfJSON
	d.dec.DisallowUnknownFields()
	if err := d.dec.Decode(&j); err != nil {
		return err
	}
	if _, twice := c.Memory.Receipts[j.Key]; twice || j.Key == "" {
		return fmt.Errorf("receipt %q is there twice, or has no key", j.Key)
	}
	r, err := fromReceiptJSON(j.receiptJSON)
	c.Memory.Receipts[j.Key] = r
	return err
}
