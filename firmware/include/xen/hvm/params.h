/* HVM parameters: where the toolstack says what it set up. As Xen's public/hvm/params.h. */
#ifndef XEN_HVM_PARAMS_H
#define XEN_HVM_PARAMS_H

#define HVM_PARAM_STORE_PFN 1
#define HVM_PARAM_STORE_EVTCHN 2

#endif
