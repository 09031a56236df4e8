package rpmfile

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// TagValue is what a main header holds under one tag.
type TagValue struct {
	Number uint32
	// Bytes are the values as they lie in the header.
	Bytes []byte

	kind, count uint32
}

// ReadTags reads the lead and the headers of an RPM from r, as Read does, and
// returns every tag of the main header but its region, in the header's order.
// The errors are those of Read.
func ReadTags(r io.Reader) ([]TagValue, error) {
	h, err := readHeaders(r)
	if err != nil {
		return nil, fmt.Errorf("rpmfile: read tags: %w", err)
	}
	header := h.raw[h.start:h.end]
	entries := int(binary.BigEndian.Uint32(header[8:]))
	index, store := header[introSize:introSize+entries*entrySize], header[introSize+entries*entrySize:]
	var values []TagValue
	for i := range entries {
		e := index[i*entrySize:]
		v := TagValue{Number: binary.BigEndian.Uint32(e), kind: binary.BigEndian.Uint32(e[4:]), count: binary.BigEndian.Uint32(e[12:])}
		if v.Number < firstDataTag {
			continue
		}
		offset := int64(binary.BigEndian.Uint32(e[8:]))
		// readHeaders has checked every entry already.
		length, fault := entryLength(v.kind, offset, int64(v.count), store)
		if fault != "" {
			return nil, fmt.Errorf("rpmfile: read tags: tag %d: %s: %w", v.Number, fault, ErrMalformed)
		}
		v.Bytes = store[offset : offset+length]
		values = append(values, v)
	}
	return values, nil
}

// Name is rpm's name of the tag, TAG<number> where this package knows none.
func (v TagValue) Name() string { return nameOfTag(v.Number) }

// Text shows the values, separated by blanks, cut to at most max bytes.
func (v TagValue) Text(max int) string {
	var text strings.Builder
	switch v.kind {
	case typeString, typeStringArray, typeI18NString:
		for i, s := range strings.Split(strings.TrimSuffix(string(v.Bytes[:min(len(v.Bytes), max)]), "\x00"), "\x00") {
			if i > 0 {
				text.WriteByte(' ')
			}
			text.WriteString(s)
		}
	case typeInt16, typeInt32, typeInt64:
		width := map[uint32]int{typeInt16: 2, typeInt32: 4, typeInt64: 8}[v.kind]
		for at := 0; at+width <= len(v.Bytes) && text.Len() < max; at += width {
			if at > 0 {
				text.WriteByte(' ')
			}
			var wide [8]byte
			copy(wide[8-width:], v.Bytes[at:at+width])
			text.WriteString(strconv.FormatUint(binary.BigEndian.Uint64(wide[:]), 10))
		}
	default:
		text.WriteString(hex.EncodeToString(v.Bytes[:min(len(v.Bytes), max/2)]))
	}
	return text.String()[:min(text.Len(), max)]
}

// nameOfTag names the tags that packages of today have (rpm's rpmtag.h).
func nameOfTag(number uint32) string {
	if name, ok := tagNames()[number]; ok {
		return name
	}
	return "TAG" + strconv.FormatUint(uint64(number), 10)
}

func tagNames() map[uint32]string {
	return map[uint32]string{
		100:  "HEADERI18NTABLE",
		1000: "NAME", 1001: "VERSION", 1002: "RELEASE", 1003: "EPOCH", 1004: "SUMMARY", 1005: "DESCRIPTION", 1006: "BUILDTIME",
		1007: "BUILDHOST", 1009: "SIZE", 1010: "DISTRIBUTION", 1011: "VENDOR", 1014: "LICENSE", 1015: "PACKAGER", 1016: "GROUP",
		1018: "SOURCE", 1019: "PATCH", 1020: "URL", 1021: "OS", 1022: "ARCH", 1023: "PREIN", 1024: "POSTIN", 1025: "PREUN", 1026: "POSTUN",
		1028: "FILESIZES", 1029: "FILESTATES", 1030: "FILEMODES", 1033: "FILERDEVS", 1034: "FILEMTIMES", 1035: "FILEDIGESTS",
		1036: "FILELINKTOS", 1037: "FILEFLAGS", 1039: "FILEUSERNAME", 1040: "FILEGROUPNAME", 1044: "SOURCERPM", 1045: "FILEVERIFYFLAGS",
		1046: "ARCHIVESIZE", 1047: "PROVIDENAME", 1048: "REQUIREFLAGS", 1049: "REQUIRENAME", 1050: "REQUIREVERSION", 1053: "CONFLICTFLAGS",
		1054: "CONFLICTNAME", 1055: "CONFLICTVERSION", 1059: "EXCLUDEARCH", 1060: "EXCLUDEOS", 1061: "EXCLUSIVEARCH", 1064: "RPMVERSION",
		1065: "TRIGGERSCRIPTS", 1066: "TRIGGERNAME", 1067: "TRIGGERVERSION", 1068: "TRIGGERFLAGS", 1069: "TRIGGERINDEX", 1079: "VERIFYSCRIPT",
		1080: "CHANGELOGTIME", 1081: "CHANGELOGNAME", 1082: "CHANGELOGTEXT", 1085: "PREINPROG", 1086: "POSTINPROG", 1087: "PREUNPROG",
		1088: "POSTUNPROG", 1089: "BUILDARCHS", 1090: "OBSOLETENAME", 1092: "TRIGGERSCRIPTPROG", 1094: "COOKIE", 1095: "FILEDEVICES",
		1096: "FILEINODES", 1097: "FILELANGS", 1106: "SOURCEPACKAGE", 1112: "PROVIDEFLAGS", 1113: "PROVIDEVERSION", 1114: "OBSOLETEFLAGS",
		1115: "OBSOLETEVERSION", 1116: "DIRINDEXES", 1117: "BASENAMES", 1118: "DIRNAMES", 1122: "OPTFLAGS", 1123: "DISTURL",
		1124: "PAYLOADFORMAT", 1125: "PAYLOADCOMPRESSOR", 1126: "PAYLOADFLAGS", 1132: "PLATFORM", 1140: "FILECOLORS", 1141: "FILECLASS",
		1142: "CLASSDICT", 1143: "FILEDEPENDSX", 1144: "FILEDEPENDSN", 1145: "DEPENDSDICT", 1146: "SOURCEPKGID", 1151: "PRETRANS",
		1152: "POSTTRANS", 1153: "PRETRANSPROG", 1154: "POSTTRANSPROG", 1155: "DISTTAG", 5008: "LONGFILESIZES", 5009: "LONGSIZE",
		5010: "FILECAPS", 5011: "FILEDIGESTALGO", 5012: "BUGURL", 5034: "VCS", 5046: "RECOMMENDNAME", 5047: "RECOMMENDVERSION",
		5048: "RECOMMENDFLAGS", 5049: "SUGGESTNAME", 5050: "SUGGESTVERSION", 5051: "SUGGESTFLAGS", 5052: "SUPPLEMENTNAME",
		5053: "SUPPLEMENTVERSION", 5054: "SUPPLEMENTFLAGS", 5055: "ENHANCENAME", 5056: "ENHANCEVERSION", 5057: "ENHANCEFLAGS",
		5062: "ENCODING", 5092: "PAYLOADDIGEST", 5093: "PAYLOADDIGESTALGO", 5096: "MODULARITYLABEL", 5097: "PAYLOADDIGESTALT",
	}
}
