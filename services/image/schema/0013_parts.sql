-- SPDX-License-Identifier: Apache-2.0
-- Image archives are kept as their layers, which other archives may share, and one blob of what lies between them.

-- A blob that has rows here has no bytes of its own: it is these, one after the other. Parts have none in turn.
CREATE TABLE blob_part (
    sha512   text NOT NULL REFERENCES blob (sha512) ON DELETE CASCADE,
    position int NOT NULL CHECK (position >= 0),
    part     text NOT NULL REFERENCES blob (sha512),
    first    bigint NOT NULL CHECK (first >= 0), -- in the part
    size     bigint NOT NULL CHECK (size > 0),
    PRIMARY KEY (sha512, position),
    CHECK (sha512 <> part)
);
CREATE INDEX blob_part_part ON blob_part (part);

-- NULL: the archive is compressed as a whole, so the layer's bytes lie nowhere in it. Older rows did not tell.
ALTER TABLE image_layer ALTER archive_offset DROP NOT NULL;
UPDATE image_layer SET archive_offset = NULL;
