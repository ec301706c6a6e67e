-- SPDX-License-Identifier: Apache-2.0
-- What lists filter by name and value: properties and tags, each in the order of time, so that a page is found by reading it
-- whether the value is rare or everybody's. What PostgreSQL knows of a jsonb or an array says neither.

-- Terms are counted among one owner's images, and among those of one visibility. A hash: terms that meet by chance cost a row, since whoever looks compares.
CREATE FUNCTION image_term_key(scope text, kind text, name text, value text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT hashtextextended(kind || length(scope) || ':' || scope || length(name) || ':' || name || value, 22) $$;

CREATE FUNCTION image_terms(owner text, visibility text, status text, tags text[], properties jsonb) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(DISTINCT image_term_key(scope.name, scope.kind || term.kind, term.name, term.value)), '{}')
    FROM (VALUES ('owner', owner), ('visibility', visibility)) scope (kind, name),
         (SELECT 'tag' AS kind, '' AS name, tag AS value FROM unnest(tags) tag
          UNION ALL SELECT 'property', key, properties ->> key FROM jsonb_object_keys(properties) key WHERE jsonb_typeof(properties -> key) = 'string') term
    WHERE status <> 'deleted' $$;

CREATE TABLE image_term (
    term       bigint NOT NULL, -- of image_terms
    created_at timestamptz NOT NULL, -- the image's
    image_id   uuid NOT NULL,
    PRIMARY KEY (term, created_at, image_id)
);
INSERT INTO image_term SELECT unnest(image_terms(owner, visibility, status, tags, properties)), created_at, id FROM image;

CREATE FUNCTION image_term_keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_terms bigint[] := '{}';
    new_terms bigint[] := '{}';
    is_same_time boolean := OLD.created_at = NEW.created_at;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        old_terms := image_terms(OLD.owner, OLD.visibility, OLD.status, OLD.tags, OLD.properties);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        new_terms := image_terms(NEW.owner, NEW.visibility, NEW.status, NEW.tags, NEW.properties);
    END IF;
    IF old_terms <> '{}' THEN
        DELETE FROM image_term WHERE term = ANY (ARRAY(SELECT unnest(old_terms) EXCEPT SELECT unnest(new_terms) WHERE is_same_time))
            AND created_at = OLD.created_at AND image_id = OLD.id;
    END IF;
    IF new_terms <> '{}' THEN
        INSERT INTO image_term SELECT term, NEW.created_at, NEW.id FROM (SELECT unnest(new_terms) EXCEPT SELECT unnest(old_terms) WHERE is_same_time) fresh (term);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER image_term_insert AFTER INSERT ON image FOR EACH ROW WHEN (NEW.tags <> '{}' OR NEW.properties <> '{}')
    EXECUTE FUNCTION image_term_keep();
CREATE TRIGGER image_term_update AFTER UPDATE OF owner, visibility, status, tags, properties, created_at ON image FOR EACH ROW
    WHEN (OLD.owner <> NEW.owner OR OLD.visibility <> NEW.visibility OR (OLD.status = 'deleted') <> (NEW.status = 'deleted') OR OLD.tags <> NEW.tags
          OR OLD.properties <> NEW.properties OR OLD.created_at <> NEW.created_at)
    EXECUTE FUNCTION image_term_keep();
CREATE TRIGGER image_term_delete AFTER DELETE ON image FOR EACH ROW WHEN (OLD.status <> 'deleted') EXECUTE FUNCTION image_term_keep();

DROP INDEX image_tags, image_properties;
