package rpmfile

import (
	"fmt"

	"github.com/cavaliergopher/rpm"
)

// Tags of the main header (rpm's rpmtag.h).
const (
	tagName             = 1000
	tagVersion          = 1001
	tagRelease          = 1002
	tagEpoch            = 1003
	tagSummary          = 1004
	tagDescription      = 1005
	tagBuildTime        = 1006
	tagBuildHost        = 1007
	tagSize             = 1009
	tagVendor           = 1011
	tagLicense          = 1014
	tagPackager         = 1015
	tagGroup            = 1016
	tagURL              = 1020
	tagPreIn            = 1023
	tagPostIn           = 1024
	tagPreUn            = 1025
	tagPostUn           = 1026
	tagOS               = 1021
	tagArch             = 1022
	tagOldFilenames     = 1027
	tagFileSizes        = 1028
	tagFileStates       = 1029
	tagFileModes        = 1030
	tagFileRDevs        = 1033
	tagFileDigests      = 1035
	tagFileLinkTos      = 1036
	tagFileFlags        = 1037
	tagFileUserName     = 1039
	tagFileGroupName    = 1040
	tagSourceRPM        = 1044
	tagFileVerifyFlags  = 1045
	tagArchiveSize      = 1046
	tagExcludeArch      = 1059
	tagExclusiveArch    = 1061
	tagVerifyScript     = 1079
	tagChangelogTime    = 1080
	tagChangelogName    = 1081
	tagChangelogText    = 1082
	tagBuildArchs       = 1089
	tagFileDevices      = 1095
	tagFileInodes       = 1096
	tagSourcePackage    = 1106
	tagDirIndexes       = 1116
	tagBaseNames        = 1117
	tagDirNames         = 1118
	tagPayloadFormat    = 1124
	tagPayloadComp      = 1125
	tagPlatform         = 1132
	tagPreTrans         = 1151
	tagPostTrans        = 1152
	tagLongFileSizes    = 5008
	tagLongSize         = 5009
	tagFileCaps         = 5010
	tagPayloadDigest    = 5092
	tagPayloadDigestAlg = 5093
	tagModularityLabel  = 5096
)

// Tags of the signature header.
const (
	sigTagLongSize        = 270
	sigTagLongArchiveSize = 271
	sigTagSHA256          = 273
	sigTagSize            = 1000
	sigTagMD5             = 1004
	sigTagPayloadSize     = 1007
)

// digestSHA256 is PGPHASHALGO_SHA256, the only payload digest this package
// verifies.
const digestSHA256 = 8

// tags gives typed access to one header that has passed validation. A tag that
// is missing, or has another type than asked for, reads as absent: rpm treats
// it so too.
type tags struct{ h *rpm.Header }

func (t tags) str(id int) string {
	if s := t.strs(id); len(s) > 0 {
		return s[0]
	}
	return ""
}

func (t tags) strs(id int) []string {
	if tag := t.h.GetTag(id); tag != nil {
		s, _ := tag.Value.([]string)
		return s
	}
	return nil
}

func (t tags) ints(id int) []int64 {
	if tag := t.h.GetTag(id); tag != nil {
		v, _ := tag.Value.([]int64)
		return v
	}
	return nil
}

// num is the first number under the first of the ids that exists, or 0.
func (t tags) num(ids ...int) int64 {
	for _, id := range ids {
		if v := t.ints(id); len(v) > 0 {
			return v[0]
		}
	}
	return 0
}

func (t tags) bytes(id int) []byte {
	if tag := t.h.GetTag(id); tag != nil {
		b, _ := tag.Value.([]byte)
		return b
	}
	return nil
}

// perItem checks that a tag holding one value per item (per file, per
// dependency, …) holds either n values or none at all.
func perItem[T any](what string, values []T, n int) ([]T, error) {
	if len(values) != 0 && len(values) != n {
		return nil, fmt.Errorf("%s has %d values for %d items: %w", what, len(values), n, ErrMalformed)
	}
	return values, nil
}

// at is values[i], or the zero value where the tag is absent.
func at[T any](values []T, i int) T {
	if i < len(values) {
		return values[i]
	}
	var zero T
	return zero
}
