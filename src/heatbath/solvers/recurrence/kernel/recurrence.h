/* All functions of one instruction set and precision; precisions.h includes this file once for each. */
#include "vectors.h"
#include "model.h"
#include "layer.h"
#include "scan.h"
#include "readout.h"
#include "training.h"

static const struct kernels NAME(kernels) = {TEXT(ISA), NAME(forward), NAME(adjoint), NAME(jacobian), NAME(train)};

#undef LANES
#undef vector
#undef mask
#undef loose
#undef work
#undef trainer
#undef EACH_LANE
#undef SHUFFLE
#undef NEAR
#undef FAR
#undef FOLD
#undef UNITS
#undef COUNT
#undef STEPS
#undef BOTH
#undef ADJOINT
#undef SIZE
#undef CHOOSE
