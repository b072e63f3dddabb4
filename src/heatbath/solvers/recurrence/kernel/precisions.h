/* Both precisions of one instruction set; no include guard on purpose. */
#define real float
#define integer int32_t
#define REAL_BYTES 4
#define PRECISION float32
#include "recurrence.h"
#undef real
#undef integer
#undef REAL_BYTES
#undef PRECISION

#define real double
#define integer int64_t
#define REAL_BYTES 8
#define PRECISION float64
#include "recurrence.h"
#undef real
#undef integer
#undef REAL_BYTES
#undef PRECISION
