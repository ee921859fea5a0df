/* Images as the documents that a registry or an archive has of them: several platforms, annotations, attestations.
 * Private to api/buildkit/. */
#ifndef DORY_API_BUILDKIT_SOLVE_BUNDLE_H
#define DORY_API_BUILDKIT_SOLVE_BUNDLE_H

#include "api/buildkit/solve.h"
#include "image/bundle.h"

/* Does an attribute of an exporter ask for it, whatever the build is of? */
bool solve_bundle_is_asked_for(Bk__Entry *const *attrs, size_t count);
/* Is it an annotation's? It can be read then, or `err` says why not. */
bool solve_bundle_is_annotation(const char *key);
int solve_bundle_check_annotation(const char *key, struct error *err);

/* All images of the build, with the annotations of these attributes. name: of the image, for attestations; may be NULL.
 * bundle_release() in every case. */
struct solve_bundle {
    struct bundle bundle;
    const struct solve *solve;
    const struct reference *name;
};
int solve_bundle_fill(struct solve_bundle *ret, const struct solve *solve, const struct reference *name,
                      Bk__Entry *const *attrs, size_t count, struct error *err);

/* solve_provenance.c: how the image of a platform came to be, as SLSA's provenance 0.2 in an in-toto statement about
 * the manifest. */
#define PROVENANCE_TYPE "https://slsa.dev/provenance/v0.2"
void solve_provenance_write(const struct solve *solve, const struct solve_platform *platform,
                            const struct reference *name, const struct platform *what, const char *manifest_digest,
                            struct strbuf *out);

#endif
